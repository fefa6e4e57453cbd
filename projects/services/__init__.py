"""What a person may command about a project and its people; each change is in the audit trail."""

from projects.services.grants import (
    GrantPreview,
    Wish,
    change_grant,
    grant_group,
    groups_to_choose,
    preview_grant,
    remove_grant,
)
from projects.services.members import add_member, change_member, leave_project, refuse_leaving, remove_member
from projects.services.people import Person, Reason, described, one_described, people_in
from projects.services.projects import (
    DESCRIPTION_LENGTH,
    NAME_LENGTH,
    archive_project,
    create_project,
    rename_project,
    restore_project,
)

__all__ = [
    "DESCRIPTION_LENGTH",
    "NAME_LENGTH",
    "GrantPreview",
    "Person",
    "Reason",
    "Wish",
    "add_member",
    "archive_project",
    "change_grant",
    "change_member",
    "create_project",
    "described",
    "grant_group",
    "groups_to_choose",
    "leave_project",
    "one_described",
    "people_in",
    "preview_grant",
    "refuse_leaving",
    "remove_grant",
    "remove_member",
    "rename_project",
    "restore_project",
]
