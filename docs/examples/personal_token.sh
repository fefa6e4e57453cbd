#!/bin/sh
# A token for one purpose, made with a wider one, used, and ended. PORTOLAN_TOKEN has the scope admin.
# PORTOLAN_URL=http://localhost:8000 PORTOLAN_TOKEN=ptl_… sh personal_token.sh
set -eu
url="${PORTOLAN_URL:-http://localhost:8000}/api/v1"

# as TOKEN METHOD ADDRESS [curl options]: the answer. A refusal is a problem document, printed by curl.
as() {
  token=$1 method=$2 address=$3
  shift 3
  curl -sS --fail-with-body -X "$method" -H "Authorization: Bearer $token" \
    -H "Content-Type: application/json" "$@" "$url$address"
}

# get EXPRESSION: a value of the JSON on standard input, which is named "it".
get() { python3 -c "import json, sys; it = json.load(sys.stdin); print($1)"; }

made=$(as "$PORTOLAN_TOKEN" POST /tokens/ -d '{"label": "nightly figures", "scopes": ["read"], "days": 7}')
secret=$(echo "$made" | get 'it["secret"]')
echo "It ends at $(echo "$made" | get 'it["expires_at"]')."
as "$secret" GET /me/ | get '"I am " + it["username"] + " with the scope " + it["token"]["scopes"][0]'
as "$secret" GET /projects/ | get '"projects: " + str(len(it["results"]))'
as "$secret" DELETE "/tokens/$(echo "$made" | get 'it["id"]')/"
as "$secret" GET /me/ | get 'it["code"]'
