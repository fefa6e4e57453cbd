#!/bin/sh
# The main job by REST, with curl (and python3 to read JSON).
# PORTOLAN_URL=http://localhost:8000 PORTOLAN_TOKEN=ptl_… sh main_job.sh
set -eu
url="${PORTOLAN_URL:-http://localhost:8000}/api/v1"

# call METHOD ADDRESS [curl options]: the answer. A refusal is a problem document, printed by curl.
call() {
  method=$1 address=$2
  shift 2
  curl -sS --fail-with-body -X "$method" -H "Authorization: Bearer $PORTOLAN_TOKEN" \
    -H "Content-Type: application/json" "$@" "$url$address"
}

# get EXPRESSION: a value of the JSON on standard input, which is named "it".
get() { python3 -c "import json, sys; it = json.load(sys.stdin); print($1)"; }

# 1. A project that begins with the sample data.
project=$(call POST /projects/ -d '{"name": "By script", "source": "sample"}' | get 'it["id"]')
while [ "$(call GET "/projects/$project/" | get 'it["folder"]["state"]')" = preparing ]; do sleep 2; done

# 2. A file of one's own. Its bytes go to the door with tus 1.0.0; the address is a secret.
printf 'Three tools, one after the other.\n' > plan.txt
size=$(wc -c < plan.txt | tr -d ' ')
door=$(call POST "/projects/$project/uploads/" -d "{\"path\": \"notes/plan.txt\", \"size\": $size}" | get 'it["url"]')
curl -sS --fail-with-body -X PATCH -H "Tus-Resumable: 1.0.0" -H "Upload-Offset: 0" \
  -H "Content-Type: application/offset+octet-stream" --data-binary @plan.txt "$door"

# 3. The three tools with their sample values. The key makes it safe to ask again after a lost answer.
for tool in movie_alignment first_map resolution_map; do
  call GET "/tools/$tool/" | get "json.dumps({'tool': it['name'], 'inputs': it['sample']})" > "$tool.json"
  call POST "/projects/$project/jobs/" -H "Idempotency-Key: $project $tool" -d "@$tool.json" |
    get 'it["id"]' > "$tool.job"
done

# 4. Wait, and fetch the outputs by name.
for tool in movie_alignment first_map resolution_map; do
  job=$(cat "$tool.job")
  while [ "$(call GET "/jobs/$job/" | get 'it["final"]')" = False ]; do sleep 2; done
  state=$(call GET "/jobs/$job/" | get 'it["state"]')
  echo "$tool: $state"
  [ "$state" = succeeded ] || { call GET "/jobs/$job/" | get 'it["failure"]'; exit 1; }
  call GET "/jobs/$job/outputs/" | get '"\n".join(one["output"] + " " + one["url"] for one in it["results"])' > outputs.txt
  while read -r output address; do
    mkdir -p "results/$tool/$output"
    (cd "results/$tool/$output" && curl -sS --fail -OJ -H "Authorization: Bearer $PORTOLAN_TOKEN" "$address")
  done < outputs.txt
  ls "results/$tool"
done
