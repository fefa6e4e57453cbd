"""What every operation refuses. A new one needs a row here, and one in ``permissions.csv`` that says who may."""

from dataclasses import dataclass, field
from typing import Any

from tests.gateway.world import INPUTS

ANYONE, OPERATOR = "anyone", "operator"


@dataclass(frozen=True, kw_only=True)
class Row:
    """``role``: the weakest that may. ``bad``: changes to the example's body or query, each with the code it meets."""

    role: str
    scope: str
    bad: list[tuple[dict[str, Any], str]] = field(default_factory=list)


BAD_PATHS = [({"path": "../x"}, "bad_path"), ({"path": "/etc/passwd"}, "bad_path"), ({"path": 3.5e400}, "parse_error")]
ROWS: dict[str, Row] = {
    "me": Row(role=ANYONE, scope=""),
    "policy": Row(role=ANYONE, scope=""),
    "policy_accept": Row(role=ANYONE, scope="admin", bad=[({"version": ""}, "invalid"), ({"verson": "1"}, "invalid")]),
    "tokens_list": Row(role=ANYONE, scope="read", bad=[({"cursor": "garbage"}, "bad_cursor")]),
    "tokens_create": Row(
        role=ANYONE,
        scope="admin",
        bad=[
            ({"days": 400}, "invalid"),
            ({"scopes": ["root"]}, "invalid"),
            ({"label": ""}, "invalid"),
            ({"label": "a\x00b"}, "parse_error"),
            ({"lable": "x"}, "invalid"),
            ({"projects": ["x"]}, "invalid"),
        ],
    ),
    "tokens_revoke": Row(role=ANYONE, scope="admin"),
    "tokens_revoke_all": Row(role=ANYONE, scope="admin"),
    "projects_list": Row(role=ANYONE, scope="", bad=[({"cursor": "cD1ub3QtYS1kYXRl"}, "bad_cursor")]),
    "projects_create": Row(
        role=ANYONE,
        scope="admin",
        bad=[
            ({"name": ""}, "invalid"),
            ({"name": "x" * 121}, "invalid"),
            ({"source": "moon"}, "bad_source"),
            ({"sourcs": "empty"}, "invalid"),
        ],
    ),
    "projects_get": Row(role="viewer", scope="read"),
    "projects_change": Row(role="manager", scope="admin", bad=[({"name": " "}, "invalid"), ({"x": 1}, "invalid")]),
    "projects_archive": Row(role="owner", scope="admin"),
    "projects_restore": Row(role="owner", scope="admin"),
    "projects_clone": Row(role="viewer", scope="admin", bad=[({"name": ""}, "invalid")]),
    "projects_leave": Row(role="viewer", scope="admin", bad=[({"running": "stop"}, "invalid")]),
    "members_list": Row(role="viewer", scope="read", bad=[({"cursor": "x"}, "bad_cursor")]),
    "members_add": Row(
        role="manager",
        scope="admin",
        bad=[
            ({"username": "nobody"}, "unknown_user"),
            ({"role": "king"}, "invalid"),
            ({"until": "soon"}, "invalid"),
            ({"until": "2001-01-01T00:00:00Z"}, "bad_until"),
        ],
    ),
    "members_change": Row(role="manager", scope="admin", bad=[({"role": "king"}, "invalid")]),
    "members_removal": Row(role="manager", scope="admin"),
    "members_remove": Row(role="manager", scope="admin", bad=[({"running": "stop"}, "invalid")]),
    "grants_list": Row(role="viewer", scope="read", bad=[({"cursor": "x"}, "bad_cursor")]),
    "grants_add": Row(
        role="manager",
        scope="admin",
        bad=[
            ({"entitlement": "cryo"}, "bad_entitlement"),
            ({"entitlement": "urn:mace:else.org:group:cryo"}, "bad_entitlement"),
            ({"entitlement": ""}, "bad_grant"),
            ({"role": "owner"}, "bad_role"),
            ({"role": "king"}, "invalid"),
            ({"purpose": " "}, "invalid"),
            ({"until": "2001-01-01T00:00:00Z"}, "bad_until"),
            ({"with_subgroups": True, "aai_role": "pi"}, "bad_grant"),
            ({"grup": "x"}, "invalid"),
        ],
    ),
    "grants_change": Row(
        role="manager", scope="admin", bad=[({"role": "owner"}, "bad_role"), ({"purpose": ""}, "invalid")]
    ),
    "invitations_list": Row(role="manager", scope="admin", bad=[({"cursor": "x"}, "bad_cursor")]),
    "invitations_make": Row(
        role="manager",
        scope="admin",
        bad=[
            ({"email": "nobody"}, "invalid"),
            ({"role": "king"}, "invalid"),
            ({"days": 0}, "invalid"),
            ({"until": "2001-01-01T00:00:00Z"}, "bad_until"),
            ({"emial": "x"}, "invalid"),
        ],
    ),
    "invitations_revoke": Row(role="manager", scope="admin"),
    "invitations_accept": Row(role=ANYONE, scope="admin", bad=[({"code": ""}, "invalid"), ({"cod": "x"}, "invalid")]),
    "my_requests_list": Row(role=ANYONE, scope="read", bad=[({"cursor": "x"}, "bad_cursor")]),
    "my_requests_make": Row(
        role=ANYONE,
        scope="admin",
        bad=[({"project": "x"}, "invalid"), ({"purpose": " "}, "invalid"), ({"purpose": "a\x00b"}, "parse_error")],
    ),
    "my_requests_withdraw": Row(role=ANYONE, scope="admin"),
    "requests_list": Row(role="manager", scope="admin", bad=[({"cursor": "x"}, "bad_cursor")]),
    "requests_approve": Row(
        role="manager",
        scope="admin",
        bad=[({"role": "king"}, "invalid"), ({"until": "2001-01-01T00:00:00Z"}, "bad_until")],
    ),
    "requests_decline": Row(role="manager", scope="admin", bad=[({"answer": "x" * 301}, "invalid")]),
    "groups_list": Row(role=ANYONE, scope="read", bad=[({"cursor": "x"}, "bad_cursor")]),
    "groups_make": Row(role=ANYONE, scope="admin", bad=[({"name": " "}, "invalid"), ({"nam": "x"}, "invalid")]),
    "groups_get": Row(role=ANYONE, scope="read"),
    "groups_change": Row(role=ANYONE, scope="admin", bad=[({"name": "x" * 121}, "invalid")]),
    "groups_delete": Row(role=ANYONE, scope="admin"),
    "seats_list": Row(role=ANYONE, scope="read", bad=[({"cursor": "x"}, "bad_cursor")]),
    "seats_put": Row(
        role=ANYONE, scope="admin", bad=[({"username": "nobody"}, "unknown_user"), ({"keeper": "maybe"}, "invalid")]
    ),
    "seats_take": Row(role=ANYONE, scope="admin"),
    "grants_removal": Row(role="manager", scope="admin"),
    "grants_remove": Row(role="manager", scope="admin", bad=[({"running": "stop"}, "invalid")]),
    "audit_list": Row(
        role="viewer",
        scope="read",
        bad=[({"cursor": "cD14"}, "bad_cursor"), ({"since": "soon"}, "invalid"), ({"text": "x" * 301}, "invalid")],
    ),
    "audit_export": Row(role="viewer", scope="read", bad=[({"form": "xlsx"}, "invalid"), ({"until": "x"}, "invalid")]),
    "gateway_audit_list": Row(role=OPERATOR, scope="admin", bad=[({"cursor": "cD14"}, "bad_cursor")]),
    "gateway_audit_export": Row(role=OPERATOR, scope="admin", bad=[({"form": "pdf"}, "invalid")]),
    "files_list": Row(
        role="viewer",
        scope="read",
        bad=[
            ({"path": "../x"}, "bad_path"),
            ({"path": "a\x00b"}, "invalid"),
            ({"page_size": "0"}, "invalid"),
            ({"cursor": "garbage"}, "bad_cursor"),
        ],
    ),
    "files_make_folder": Row(role="contributor", scope="data", bad=BAD_PATHS),
    "files_move": Row(role="contributor", scope="data", bad=[({"target": "../x"}, "bad_path")]),
    "files_delete": Row(
        role="contributor",
        scope="data",
        bad=[({"paths": []}, "invalid"), ({"paths": [".portolan"]}, "bad_path"), ({"paths": "x"}, "invalid")],
    ),
    "files_restore": Row(role="contributor", scope="data", bad=[({"trash_id": "x"}, "invalid")]),
    "trash_list": Row(role="viewer", scope="read"),
    "trash_empty": Row(role="contributor", scope="data"),
    "files_content": Row(
        role="viewer", scope="read", bad=[({"path": "../x"}, "bad_path"), ({"path": "movies"}, "not_a_file")]
    ),
    "files_preview": Row(
        role="viewer",
        scope="read",
        bad=[({"path": "../x"}, "bad_path"), ({"form": "smell"}, "invalid"), ({"index": "-1"}, "invalid")],
    ),
    "tools_list": Row(role=ANYONE, scope=""),
    "tools_get": Row(role=ANYONE, scope=""),
    "sites_list": Row(role=ANYONE, scope=""),
    "sites_get": Row(role=ANYONE, scope=""),
    "sites_add": Row(
        role=OPERATOR,
        scope="admin",
        bad=[
            ({"name": "a b"}, "invalid"),
            ({"scheduler": "magic"}, "bad_scheduler"),
            ({"settings": {"runner": "ssh"}}, "bad_site_settings"),
            ({"installed": {"first_map": {"setup": ["module load x"]}}}, "bad_site_tools"),
            ({"work_root": "scratch"}, "bad_work_root"),
            ({"people": ["nobody"]}, "unknown_people"),
            ({"queues": [{"name": "a", "cores": 0, "memory_mb": 1}]}, "invalid"),
        ],
    ),
    "sites_change": Row(
        role=OPERATOR, scope="admin", bad=[({"cores": 0}, "invalid"), ({"shares": ["x"]}, "unknown_shares")]
    ),
    "sites_settings": Row(role=OPERATOR, scope="admin"),
    "sites_probe": Row(role=OPERATOR, scope="admin"),
    "sites_drain": Row(role=OPERATOR, scope="admin", bad=[({"reason": 3.5e400}, "parse_error")]),
    "sites_open": Row(role=OPERATOR, scope="admin"),
    "jobs_list": Row(
        role="viewer", scope="read", bad=[({"state": "tired"}, "invalid"), ({"cursor": "x"}, "bad_cursor")]
    ),
    "jobs_submit": Row(
        role="contributor",
        scope="jobs",
        bad=[
            ({"tool": "magic"}, "unknown_tool"),
            ({"inputs": {}}, "invalid_inputs"),
            ({"inputs": []}, "invalid"),
            ({"inputs": {**INPUTS, "pixel_size": 0}}, "invalid_inputs"),
            ({"inputs": {**INPUTS, "movies": {"pattern": "nothing/*.tiff"}}}, "invalid_inputs"),
            ({"inputs": {**INPUTS, "movies": [{"path": "../../etc/passwd"}]}}, "invalid_inputs"),
            ({"inputs": {**INPUTS, "dose_per_frame": -1}}, "invalid_inputs"),
            ({"site": "moon"}, "unknown_site"),
            ({"cores": 0}, "invalid"),
            ({"tol": "x"}, "invalid"),
        ],
    ),
    "jobs_get": Row(role="viewer", scope="read"),
    "jobs_cancel": Row(role="contributor", scope="jobs"),
    "jobs_rerun": Row(
        role="contributor",
        scope="jobs",
        bad=[({"changes": {"pixel_size": "wide"}}, "invalid_inputs"), ({"changes": 3}, "invalid")],
    ),
    "jobs_repair": Row(role="contributor", scope="jobs", bad=[({"action": "pray"}, "invalid")]),
    "jobs_events": Row(role="viewer", scope="read", bad=[({"cursor": "x"}, "bad_cursor")]),
    "jobs_outputs": Row(role="viewer", scope="read"),
    "jobs_log": Row(role="viewer", scope="read", bad=[({"stream": "stdin"}, "invalid"), ({"offset": "-1"}, "invalid")]),
    "jobs_how": Row(role="viewer", scope="read"),
    "jobs_stream": Row(role="viewer", scope="read"),
    "files_zip": Row(role="viewer", scope="read", bad=[({"path": ["../x"]}, "bad_path")]),
    "links_list": Row(role="viewer", scope="read", bad=[({"cursor": "garbage"}, "bad_cursor")]),
    "links_create": Row(
        role="contributor",
        scope="data",
        bad=[
            ({"path": "a/../b"}, "bad_path"),
            ({"path": "movies\x00"}, "parse_error"),
            ({"rights": []}, "invalid"),
            ({"rights": ["own"]}, "invalid"),
            ({"expires_in": 1}, "invalid"),
            ({"expires_in": 365 * 86400}, "bad_end"),
            ({"networks": ["the lab"]}, "bad_network"),
            ({"max_bytes": 0}, "invalid"),
            ({"paths": "movies"}, "invalid"),
        ],
    ),
    "links_get": Row(role="viewer", scope="read"),
    "links_revoke": Row(role="contributor", scope="data"),
    "links_log": Row(role="contributor", scope="read", bad=[({"cursor": "x"}, "bad_cursor")]),
    "files_details": Row(role="viewer", scope="read", bad=[({"path": "../x"}, "bad_path")]),
    "files_manifest": Row(role="viewer", scope="read", bad=[({"path": "../x"}, "bad_path")]),
    "usage_get": Row(role="viewer", scope="read"),
    "checks_list": Row(role="viewer", scope="read"),
    "checks_create": Row(role="viewer", scope="read", bad=BAD_PATHS),
    "checks_get": Row(role="viewer", scope="read"),
    "datasets_list": Row(role="viewer", scope="read"),
    "datasets_create": Row(role="contributor", scope="data", bad=[*BAD_PATHS, ({"path": "notes.txt"}, "not_a_folder")]),
    "datasets_unlock": Row(role="manager", scope="admin", bad=[({"reason": " "}, "invalid")]),
    "uploads_list": Row(role="viewer", scope="read"),
    "uploads_create": Row(
        role="contributor",
        scope="data",
        bad=[({"size": -1}, "invalid"), ({"path": "a/../b"}, "bad_path"), ({"sha256": "x"}, "bad_sha256")],
    ),
    "uploads_cancel": Row(role="contributor", scope="data"),
    "uploads_finish": Row(role="contributor", scope="data", bad=[({"path": "../x"}, "bad_path")]),
    "accounts_list": Row(role=OPERATOR, scope="admin", bad=[({"cursor": "x"}, "bad_cursor")]),
    "accounts_get": Row(role=OPERATOR, scope="admin"),
    "accounts_suspend": Row(
        role=OPERATOR, scope="admin", bad=[({"why": " "}, "invalid"), ({"why": "x" * 301}, "invalid")]
    ),
    "accounts_unsuspend": Row(role=OPERATOR, scope="admin"),
    "acls_list": Row(role=OPERATOR, scope="admin"),
    "acls_repair": Row(role=OPERATOR, scope="admin"),
    "acls_account": Row(
        role=OPERATOR,
        scope="admin",
        bad=[
            ({"posix_account": "no such name"}, "unknown_posix_account"),
            ({"posix_account": "root"}, "unknown_posix_account"),
        ],
    ),
}
