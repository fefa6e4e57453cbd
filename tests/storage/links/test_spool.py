"""A file that comes in one go: what it costs the database."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from projects.models import Project
from storage.filling import make_root
from storage.links.spool import Spool
from storage.models import Folder
from storage.services.folders import ensure_default_site


@pytest.mark.django_db(transaction=True)
def test_naming_a_file_takes_four_statements_and_a_transaction():
    folder = Folder.objects.create(project=Project.objects.create(name="Apoferritin"), site=ensure_default_site())
    make_root(folder)
    spool = Spool(folder)
    spool.write([b"abc"])
    with CaptureQueriesContext(connection) as asked:
        assert spool.place("a.txt", replace=False)
    spool.close()
    told = [query["sql"].split()[0].lstrip("(") for query in asked.captured_queries]
    # The folder's row (locked), what is reserved, the counters; then the checksum.
    assert [word for word in told if word not in ("BEGIN", "COMMIT")] == ["SELECT", "SELECT", "UPDATE", "INSERT"]
