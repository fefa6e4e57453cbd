"""The main job by REST, with Python's standard library alone.

PORTOLAN_URL=http://localhost:8000 PORTOLAN_TOKEN=ptl_… python3 main_job.py
"""

import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path

URL = os.environ.get("PORTOLAN_URL", "http://localhost:8000") + "/api/v1"
TOKEN = os.environ["PORTOLAN_TOKEN"]
TOOLS = ["movie_alignment", "first_map", "resolution_map"]


def call(method, address, body=None, **headers):
    """The answer as JSON. A refusal is a problem document: its ``code`` and ``detail`` are printed."""
    address = address if address.startswith("http") else URL + address
    data = None if body is None else json.dumps(body).encode()
    headers |= {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(address, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")
    except urllib.error.HTTPError as refusal:
        raise SystemExit(f"{method} {address}: {refusal.read().decode()}") from None


def upload(project, path, content):
    """The bytes are a file of the project. They go to the door, not to the portal; the address is a secret."""
    ticket = call("POST", f"/projects/{project}/uploads/", {"path": path, "size": len(content)})
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
    }
    request = urllib.request.Request(ticket["url"], content, headers, method="PATCH")
    urllib.request.urlopen(request, timeout=600).close()


def wait(address, done):
    """The resource, once ``done`` holds; asked every two seconds."""
    while not done(found := call("GET", address)):
        time.sleep(2)
    return found


def download(address, target):
    """The file is on this machine."""
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        target.write_bytes(answer.read())


# 1. A project that begins with the sample data.
project = call("POST", "/projects/", {"name": "By script", "source": "sample"})["id"]
wait(f"/projects/{project}/", lambda found: found["folder"]["state"] != "preparing")

# 2. A file of one's own.
upload(project, "notes/plan.txt", b"Three tools, one after the other.\n")

# 3. The three tools with their sample values. The key makes it safe to ask again after a lost answer.
jobs = {}
for tool in TOOLS:
    inputs = call("GET", f"/tools/{tool}/")["sample"]
    key = {"Idempotency-Key": f"{project} {tool}"}
    jobs[tool] = call("POST", f"/projects/{project}/jobs/", {"tool": tool, "inputs": inputs}, **key)["id"]

# 4. Wait, and fetch the outputs by name.
for tool, job in jobs.items():
    ended = wait(f"/jobs/{job}/", lambda found: found["final"])
    print(f"{tool}: {ended['state']} {ended['reason']}".rstrip())
    if ended["state"] != "succeeded":
        raise SystemExit(json.dumps(ended["failure"], indent=2))
    for output in call("GET", f"/jobs/{job}/outputs/")["results"]:
        target = Path("results") / tool / output["output"] / Path(output["path"]).name
        target.parent.mkdir(parents=True, exist_ok=True)
        download(output["url"], target)
        print(f"  {output['output']}: {target} ({output['size']} bytes)")
