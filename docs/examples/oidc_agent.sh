#!/bin/sh
# Who am I, with an access token of oidc-agent. The account "egi" was made with oidc-gen.
# PORTOLAN_URL=http://localhost:8000 sh oidc_agent.sh egi
set -eu
url="${PORTOLAN_URL:-http://localhost:8000}/api/v1"

# The agent gives a token that lasts for another minute at least, and gets a new one when it has to.
token=$(oidc-token --time=60 "${1:-egi}")
curl -sS --fail-with-body -H "Authorization: Bearer $token" "$url/me/"
