"""What every operation refuses. A new one needs a row here, and one in ``permissions.csv`` that says who may."""

from dataclasses import dataclass, field
from typing import Any

from tests.gateway.world import INPUTS


@dataclass(frozen=True, kw_only=True)
class Row:
    """``bad``: changes to the example's body or query, each with the code it meets."""

    bad: list[tuple[dict[str, Any], str]] = field(default_factory=list)


BAD_PATHS = [({"path": "../x"}, "bad_path"), ({"path": "/etc/passwd"}, "bad_path"), ({"path": 3.5e400}, "parse_error")]
ROWS: dict[str, Row] = {
    "me": Row(),
    "policy": Row(),
    "policy_accept": Row(bad=[({"version": ""}, "invalid"), ({"verson": "1"}, "invalid")]),
    "tokens_list": Row(bad=[({"cursor": "garbage"}, "bad_cursor")]),
    "tokens_create": Row(
        bad=[
            ({"days": 400}, "invalid"),
            ({"scopes": ["root"]}, "invalid"),
            ({"label": ""}, "invalid"),
            ({"label": "a\x00b"}, "parse_error"),
            ({"lable": "x"}, "invalid"),
            ({"projects": ["x"]}, "invalid"),
        ],
    ),
    "me_unlink": Row(),
    "tokens_revoke": Row(),
    "tokens_revoke_all": Row(),
    "projects_list": Row(bad=[({"cursor": "cD1ub3QtYS1kYXRl"}, "bad_cursor")]),
    "projects_create": Row(
        bad=[
            ({"name": ""}, "invalid"),
            ({"name": "x" * 121}, "invalid"),
            ({"source": "moon"}, "bad_source"),
            ({"sourcs": "empty"}, "invalid"),
        ],
    ),
    "projects_get": Row(),
    "projects_change": Row(bad=[({"name": " "}, "invalid"), ({"x": 1}, "invalid")]),
    "projects_archive": Row(),
    "projects_restore": Row(),
    "projects_clone": Row(bad=[({"name": ""}, "invalid")]),
    "projects_leave": Row(bad=[({"running": "stop"}, "invalid")]),
    "members_list": Row(bad=[({"cursor": "x"}, "bad_cursor")]),
    "members_add": Row(
        bad=[
            ({"username": "nobody"}, "unknown_user"),
            ({"role": "king"}, "invalid"),
            ({"until": "soon"}, "invalid"),
            ({"until": "2001-01-01T00:00:00Z"}, "bad_until"),
        ],
    ),
    "members_change": Row(bad=[({"role": "king"}, "invalid")]),
    "members_removal": Row(),
    "members_remove": Row(bad=[({"running": "stop"}, "invalid")]),
    "grants_list": Row(bad=[({"cursor": "x"}, "bad_cursor")]),
    "grants_add": Row(
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
    "grants_change": Row(bad=[({"role": "owner"}, "bad_role"), ({"purpose": ""}, "invalid")]),
    "invitations_list": Row(bad=[({"cursor": "x"}, "bad_cursor")]),
    "invitations_make": Row(
        bad=[
            ({"email": "nobody"}, "invalid"),
            ({"role": "king"}, "invalid"),
            ({"days": 0}, "invalid"),
            ({"until": "2001-01-01T00:00:00Z"}, "bad_until"),
            ({"emial": "x"}, "invalid"),
        ],
    ),
    "invitations_revoke": Row(),
    "invitations_accept": Row(bad=[({"code": ""}, "invalid"), ({"cod": "x"}, "invalid")]),
    "my_requests_list": Row(bad=[({"cursor": "x"}, "bad_cursor")]),
    "my_requests_make": Row(
        bad=[({"project": "x"}, "invalid"), ({"purpose": " "}, "invalid"), ({"purpose": "a\x00b"}, "parse_error")],
    ),
    "my_requests_withdraw": Row(),
    "requests_list": Row(bad=[({"cursor": "x"}, "bad_cursor")]),
    "requests_approve": Row(
        bad=[({"role": "king"}, "invalid"), ({"until": "2001-01-01T00:00:00Z"}, "bad_until")],
    ),
    "requests_decline": Row(bad=[({"answer": "x" * 301}, "invalid")]),
    "groups_list": Row(bad=[({"cursor": "x"}, "bad_cursor")]),
    "groups_make": Row(bad=[({"name": " "}, "invalid"), ({"nam": "x"}, "invalid")]),
    "groups_get": Row(),
    "groups_change": Row(bad=[({"name": "x" * 121}, "invalid")]),
    "groups_delete": Row(),
    "seats_list": Row(bad=[({"cursor": "x"}, "bad_cursor")]),
    "seats_put": Row(bad=[({"username": "nobody"}, "unknown_user"), ({"keeper": "maybe"}, "invalid")]),
    "seats_take": Row(),
    "grants_removal": Row(),
    "grants_remove": Row(bad=[({"running": "stop"}, "invalid")]),
    "audit_list": Row(
        bad=[({"cursor": "cD14"}, "bad_cursor"), ({"since": "soon"}, "invalid"), ({"text": "x" * 301}, "invalid")],
    ),
    "audit_export": Row(bad=[({"form": "xlsx"}, "invalid"), ({"until": "x"}, "invalid")]),
    "gateway_audit_list": Row(bad=[({"cursor": "cD14"}, "bad_cursor")]),
    "gateway_audit_export": Row(bad=[({"form": "pdf"}, "invalid")]),
    "files_list": Row(
        bad=[
            ({"path": "../x"}, "bad_path"),
            ({"path": "a\x00b"}, "invalid"),
            ({"page_size": "0"}, "invalid"),
            ({"cursor": "garbage"}, "bad_cursor"),
        ],
    ),
    "files_make_folder": Row(bad=BAD_PATHS),
    "files_move": Row(bad=[({"target": "../x"}, "bad_path")]),
    "files_delete": Row(
        bad=[({"paths": []}, "invalid"), ({"paths": [".portolan"]}, "bad_path"), ({"paths": "x"}, "invalid")],
    ),
    "files_restore": Row(bad=[({"trash_id": "x"}, "invalid")]),
    "trash_list": Row(),
    "trash_empty": Row(),
    "files_content": Row(bad=[({"path": "../x"}, "bad_path"), ({"path": "movies"}, "not_a_file")]),
    "files_preview": Row(
        bad=[({"path": "../x"}, "bad_path"), ({"form": "smell"}, "invalid"), ({"index": "-1"}, "invalid")],
    ),
    "tools_list": Row(),
    "tools_get": Row(),
    "sites_list": Row(),
    "sites_get": Row(),
    "sites_add": Row(
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
    "sites_change": Row(bad=[({"cores": 0}, "invalid"), ({"shares": ["x"]}, "unknown_shares")]),
    "sites_settings": Row(),
    "sites_probe": Row(),
    "sites_drain": Row(bad=[({"reason": 3.5e400}, "parse_error")]),
    "sites_open": Row(),
    "jobs_list": Row(bad=[({"state": "tired"}, "invalid"), ({"cursor": "x"}, "bad_cursor")]),
    "jobs_submit": Row(
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
    "jobs_get": Row(),
    "jobs_cancel": Row(),
    "jobs_rerun": Row(
        bad=[({"changes": {"pixel_size": "wide"}}, "invalid_inputs"), ({"changes": 3}, "invalid")],
    ),
    "jobs_repair": Row(bad=[({"action": "pray"}, "invalid")]),
    "jobs_events": Row(bad=[({"cursor": "x"}, "bad_cursor")]),
    "jobs_outputs": Row(),
    "jobs_log": Row(bad=[({"stream": "stdin"}, "invalid"), ({"offset": "-1"}, "invalid")]),
    "jobs_how": Row(),
    "jobs_stream": Row(),
    "files_zip": Row(bad=[({"path": ["../x"]}, "bad_path")]),
    "links_list": Row(bad=[({"cursor": "garbage"}, "bad_cursor")]),
    "links_create": Row(
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
    "links_get": Row(),
    "links_revoke": Row(),
    "links_log": Row(bad=[({"cursor": "x"}, "bad_cursor")]),
    "files_details": Row(bad=[({"path": "../x"}, "bad_path")]),
    "files_manifest": Row(bad=[({"path": "../x"}, "bad_path")]),
    "usage_get": Row(),
    "checks_list": Row(),
    "checks_create": Row(bad=BAD_PATHS),
    "checks_get": Row(),
    "datasets_list": Row(),
    "datasets_create": Row(bad=[*BAD_PATHS, ({"path": "notes.txt"}, "not_a_folder")]),
    "datasets_unlock": Row(bad=[({"reason": " "}, "invalid")]),
    "uploads_list": Row(),
    "uploads_create": Row(
        bad=[({"size": -1}, "invalid"), ({"path": "a/../b"}, "bad_path"), ({"sha256": "x"}, "bad_sha256")],
    ),
    "uploads_cancel": Row(),
    "uploads_finish": Row(bad=[({"path": "../x"}, "bad_path")]),
    "reconcile_look": Row(),
    "reconcile_repair": Row(),
    "accounts_list": Row(bad=[({"cursor": "x"}, "bad_cursor")]),
    "accounts_get": Row(),
    "accounts_suspend": Row(bad=[({"why": " "}, "invalid"), ({"why": "x" * 301}, "invalid")]),
    "accounts_unsuspend": Row(),
    "acls_list": Row(),
    "acls_repair": Row(),
    "acls_account": Row(
        bad=[
            ({"posix_account": "no such name"}, "unknown_posix_account"),
            ({"posix_account": "root"}, "unknown_posix_account"),
        ],
    ),
}
