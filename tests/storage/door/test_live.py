"""Portal and door of one instance: begun by REST, sent to the door, seen in the folder."""

import hashlib

import httpx
import pytest

from tests.storage.door.conftest import BYTES, TUS

pytestmark = pytest.mark.slow


def test_upload_begun_by_rest_is_in_the_folder_and_its_name_is_taken(live_portolan, data):
    with live_portolan.client("uploader") as api:
        project = api.post("/projects/", json={"name": "Uploads"}).json()["id"]
        asked = {"path": "raw/movie.mrc", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        made = api.post(f"/projects/{project}/uploads/", json=asked)
        assert made.status_code == 201, made.text
        url = made.json()["url"]
        assert url.startswith(f"{live_portolan.door_url}/uploads/")
        asked_by_page = httpx.options(url, headers={"Origin": live_portolan.url})
        assert asked_by_page.headers["access-control-allow-origin"] == live_portolan.url
        sent = httpx.patch(url, content=data, headers={**BYTES, "Upload-Offset": "0"}, timeout=60)
        assert sent.status_code == 204, sent.text
        assert httpx.head(url, headers=TUS).headers["upload-offset"] == str(len(data))
        listed = api.get(f"/projects/{project}/files/", params={"path": "raw"}).json()
        assert "movie.mrc" in str(listed)
        again = api.post(f"/projects/{project}/uploads/", json=asked)
        assert (again.status_code, again.json()["code"]) == (409, "name_taken")
    assert url.rpartition("/")[2] not in live_portolan.service_log("door") + live_portolan.service_log("portal")
