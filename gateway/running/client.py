"""A user's way through the public REST API: what a script of theirs would do, and nothing else."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

FINAL = frozenset({"succeeded", "failed", "cancelled"})
CHUNK = 8 * 2**20


class WalkFailed(Exception):
    """Something that a user would have been told did not come true; the message says what."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """One typed result of a job, with its bytes."""

    name: str
    path: str
    viewer: str
    content: bytes


class Gateway:
    """A running Portolan, seen by the holder of a token."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=f"{url.rstrip('/')}/api/v1", headers=headers, timeout=60)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The answer's JSON; WalkFailed with the problem document's words when it is an error."""
        answer = self.http.request(method, path, **options)
        if answer.is_error:
            raise WalkFailed(f"{method} {path}: {answer.status_code} {answer.text[:1000]}")
        return answer.json() if answer.content else None

    def accept_policy(self) -> None:
        """The usage policy, where there is one, is accepted."""
        answer = self.http.get("/me/policy/")
        if not answer.is_error and answer.json()["accepted_at"] is None:
            self.call("POST", "/me/policy/", json={"version": answer.json()["version"]})

    def every(self, path: str) -> Iterator[dict[str, Any]]:
        """All items of a paged list."""
        page = self.call("GET", path)
        while True:
            yield from page["results"]
            if not page.get("next"):
                return
            page = self.call("GET", page["next"])

    def project(self, name: str, source: str) -> str:
        """The id of my project of this name, made from ``source`` when there is none; its folder is ready."""
        found = next((item["id"] for item in self.every("/projects/") if item["name"] == name), None)
        if found is None:
            found = self.call("POST", "/projects/", json={"name": name, "source": source})["id"]
        self.wait(lambda: self._folder_ready(found), seconds=120, what=f"the folder of “{name}”")
        return str(found)

    def _folder_ready(self, project_id: str) -> bool:
        folder = self.call("GET", f"/projects/{project_id}/")["folder"]
        if folder["state"] == "failed":
            raise WalkFailed(f"The folder could not be filled: {folder.get('problem')}")
        return bool(folder["state"] == "ready")

    def upload(self, project_id: str, path: str, file: Path) -> None:
        """The file is in the project, byte for byte, by tus at the door."""
        size = file.stat().st_size
        with file.open("rb") as handle:
            found = hashlib.file_digest(handle, "sha256").hexdigest()
            body = {"path": path, "size": size, "sha256": found}
            ticket = self.call("POST", f"/projects/{project_id}/uploads/", json=body)
            handle.seek(0)
            self._send(ticket["url"], handle.read, size)

    def _send(self, url: str, read: Callable[[int], bytes], size: int) -> None:
        offset = 0
        while offset < size:
            headers = {
                "Tus-Resumable": "1.0.0",
                "Upload-Offset": str(offset),
                "Content-Type": "application/offset+octet-stream",
            }
            answer = httpx.patch(url, headers=headers, content=read(CHUNK), timeout=300)
            if answer.status_code != 204:
                raise WalkFailed(f"The door answered {answer.status_code}: {answer.text[:500]}")
            offset = int(answer.headers["Upload-Offset"])

    def submit(self, project_id: str, tool: str, inputs: dict[str, Any], key: str, site: str = "") -> dict[str, Any]:
        """The job of this key; the same call again answers the same job. Without ``site`` the broker chooses."""
        body = {"tool": tool, "inputs": inputs} | ({"site": site} if site else {})
        answer = self.call("POST", f"/projects/{project_id}/jobs/", json=body, headers={"Idempotency-Key": key})
        return dict(answer)

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as it stands."""
        return dict(self.call("GET", f"/jobs/{job_id}/"))

    def finish(self, job_id: str, *, seconds: float, tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """The job in its final state; ``tell`` is given it each time it is looked at."""

        def final() -> bool:
            found.append(self.job(job_id))
            tell(found[-1])
            return found[-1]["state"] in FINAL

        found: list[dict[str, Any]] = []
        self.wait(final, seconds=seconds, what=f"job {job_id}", every=1.0)
        return found[-1]

    def outputs(self, project_id: str, job_id: str) -> list[Output]:
        """The job's results with their bytes, checked against the sizes and checksums that the API states."""
        return [self._output(project_id, item) for item in self.every(f"/jobs/{job_id}/outputs/")]

    def _output(self, project_id: str, item: dict[str, Any]) -> Output:
        answer = self.http.get(f"/projects/{project_id}/files/content/", params={"path": item["path"]})
        if answer.status_code != 200:
            raise WalkFailed(f"{item['path']} could not be downloaded: {answer.status_code}")
        content = answer.content
        if len(content) != item["size"] or not content:
            raise WalkFailed(f"{item['path']} has {len(content)} bytes; the result says {item['size']}.")
        if item.get("sha256") and hashlib.sha256(content).hexdigest() != item["sha256"]:
            raise WalkFailed(f"{item['path']} has another checksum than its result.")
        return Output(name=item["output"], path=item["path"], viewer=item["viewer"], content=content)

    def wait(self, true: Callable[[], bool], *, seconds: float, what: str, every: float = 0.5) -> None:
        """``true()`` was true within ``seconds``; WalkFailed otherwise."""
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                raise WalkFailed(f"{what} was not ready within {seconds:.0f} s.")
            time.sleep(every)
