"""Files come from rclone's WebDAV and S3 servers, and from nginx, as they are there."""

import os

import pytest

from storage.models import ImportState
from tests.storage.imports.servers import KEY, PASSWORD, SECRET, USER

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
TREE = {
    "a.mrc": os.urandom(3_000_000),
    "grid 7/ö & + %41.tiff": os.urandom(70_000),
    "grid 7/deep/er/x.star": b"data_\n",
    "empty.txt": b"",
}


def same(root, tree=TREE):
    found = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert found == tree


def whole(run, count=4):
    problems = list(run.items.exclude(problem="").values_list("path", "problem"))
    assert (run.state, run.problem, problems, run.done_files) == (ImportState.DONE, "", [], count)


def test_webdav_folder_comes_with_its_password(bring, webdav, root):
    run = bring(webdav.folder("dav", TREE), kind="webdav", user=USER, password=PASSWORD)
    whole(run)
    same(root / "in")


def test_web_folder_comes_from_nginx(bring, web, root):
    run = bring(web.folder("index", TREE))
    whole(run)
    same(root / "in")


def test_bucket_comes_with_its_key(bring, bucket, root):
    bucket.folder("raw", TREE)
    run = bring(f"{bucket.url}raw/", kind="s3", user=KEY, password=SECRET)
    whole(run)
    same(root / "in")
    assert run.items.get(path="in/a.mrc").verified == "md5"
