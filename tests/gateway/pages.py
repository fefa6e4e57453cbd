"""What the matrix sends to pages: values of addresses, queries, and forms that are right but for the person's role."""

from gateway.schema import EXAMPLE_IDS

# Parts of addresses that are no example's id.
SITE = "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e99"
GROUP = "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e98"
IDENTITY = "3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1e97"
ARGUMENTS: dict[str, str] = {
    "tool": "movie_alignment",
    "site_id": SITE,
    "group_id": GROUP,
    "identity_id": IDENTITY,
    "provider_id": "example",
    "name": "here",
    "number": "1",
    "store": "archive",
}
QUERIES: dict[str, dict[str, object]] = {
    "storage:download": {"path": "notes.txt"},
    "storage:show": {"path": "notes.txt"},
    "storage:zip": {"path": "movies"},
    "storage:look": {"path": "notes.txt"},
}
FORMS: dict[str, dict[str, object]] = {
    "storage:new_project": {"name": "Another", "source": "empty"},
    "storage:make_folder": {"path": "", "name": "new"},
    "storage:move": {"path": "notes.txt", "name": "n.txt", "target": "n.txt"},
    "storage:delete": {"paths": "notes.txt", "path": "notes.txt", "sure": "1"},
    "storage:undelete": {"items": EXAMPLE_IDS["trash_id"]},
    "storage:imports": {"kind": "http", "addresses": "https://data.example.org/set/", "conflict": "skip"},
    "storage:import_act": {"do": "pause"},
    "storage:change": {"paths": "notes.txt", "do": "delete"},
    "jobs:site": {"scheduler": "local", "cores": "8", "memory_mb": "16000"},
    "jobs:site_new": {"name": "new", "scheduler": "local", "cores": "8", "memory_mb": "16000"},
    "jobs:acls_account": {"username": "ada", "posix_account": "5101"},
    "storage:links": {"path": "movies", "rights": ["read"], "days": "7"},
    "storage:remote_attach": {"site": "tape", "label": "Tape"},
    "storage:remote": {"path": "raw", "rights": ["read"], "hours": "1"},
    "storage:stores": {"name": "new", "kind": "s3", "base_url": "https://s3.example.org", "settings": "{}"},
    "storage:store": {
        "kind": "webdav",
        "base_url": "https://archive.example.org:2880",
        "prefix": "/data/portolan",
        "settings": '{"token_file": "/etc/portolan/token"}',
    },
    "jobs:repair": {"action": "more_memory"},
    "projects:people": {"username": "grace", "role": "viewer", "purpose": "Looks"},
    "projects:member_change": {"role": "contributor", "purpose": "Works"},
    "projects:grant_add": {
        "group": EXAMPLE_IDS["group_id"],
        "role": "viewer",
        "purpose": "Looks",
        "step": "confirm",
    },
    "projects:grant_change": {"role": "viewer", "purpose": "Looks"},
    "projects:invite": {"email": "new@example.org", "role": "viewer", "purpose": "Looks"},
    "projects:invitation": {"token": "unknown"},
    "projects:request_access": {"purpose": "Looks"},
    "projects:request_decide": {"role": "viewer", "approve": "1"},
    "projects:groups": {"name": "Another", "description": ""},
    "projects:group": {"username": "grace"},
    "projects:look_as": {"role": "viewer"},
    "projects:settings": {"name": "New name", "description": ""},
    "projects:account_suspend": {"why": "Left."},
}
