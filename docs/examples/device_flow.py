"""An access token by the device flow (RFC 8628), with Python's standard library alone, and what it opens.

PORTOLAN_URL=http://localhost:8000 OIDC_ISSUER=https://… OIDC_CLIENT=… [OIDC_SECRET=…] python3 device_flow.py
"""

import base64
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request

URL = os.environ.get("PORTOLAN_URL", "http://localhost:8000") + "/api/v1"
ISSUER = os.environ["OIDC_ISSUER"].rstrip("/")
CLIENT, SECRET = os.environ["OIDC_CLIENT"], os.environ.get("OIDC_SECRET", "")
SCOPE = "openid profile email eduperson_entitlement entitlements"


def ask(address, form=None, **headers):
    """(status, JSON) of the answer; a form is posted."""
    data = None if form is None else urllib.parse.urlencode(form).encode()
    if form is not None and SECRET:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
    try:
        with urllib.request.urlopen(urllib.request.Request(address, data, headers), timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


_, provider = ask(f"{ISSUER}/.well-known/openid-configuration")
_, started = ask(provider["device_authorization_endpoint"], {"client_id": CLIENT, "scope": SCOPE})
print(f"Open {started['verification_uri_complete']} and confirm {started['user_code']}.", flush=True)

form = {"client_id": CLIENT, "device_code": started["device_code"]}
form["grant_type"] = "urn:ietf:params:oauth:grant-type:device_code"
status, answer, pause = 0, {}, started.get("interval", 5)
while status != 200:
    time.sleep(pause)
    status, answer = ask(provider["token_endpoint"], form)
    pause += 5 * (answer.get("error") == "slow_down")
    if status != 200 and answer["error"] not in ("authorization_pending", "slow_down"):
        raise SystemExit(f"No token: {answer['error']}")

status, me = ask(f"{URL}/me/", Authorization=f"Bearer {answer['access_token']}")
print(json.dumps(me, indent=1))
raise SystemExit(status != 200)
