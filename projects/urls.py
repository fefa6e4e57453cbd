"""Pages of ``projects``; a project's first page, its files, is the storage app's."""

from django.urls import path

from projects.views import accounts, grants, groups, invitations, people, project, requests, tokens, trail

app_name = "projects"
urlpatterns = [
    path("operator/accounts/", accounts.account_list, name="accounts"),
    path("operator/accounts/<uuid:user_id>/", accounts.account, name="account"),
    path("operator/accounts/<uuid:user_id>/suspend/", accounts.account_suspend, name="account_suspend"),
    path("operator/accounts/<uuid:user_id>/unsuspend/", accounts.account_unsuspend, name="account_unsuspend"),
    path("operator/activity/", trail.gateway_activity, name="gateway_activity"),
    path("operator/activity/file/", trail.gateway_activity_file, name="gateway_activity_file"),
    path("tokens/", tokens.tokens, name="tokens"),
    path("tokens/revoke-all/", tokens.tokens_revoke, name="tokens_revoke"),
    path("tokens/<uuid:token_id>/revoke/", tokens.token_revoke, name="token_revoke"),
    path("projects/", project.project_list, name="list"),
    path("projects/<uuid:project_id>/people/", people.people, name="people"),
    path("projects/<uuid:project_id>/people/<uuid:user_id>/", people.member_change, name="member_change"),
    path("projects/<uuid:project_id>/activity/", trail.activity, name="activity"),
    path("projects/<uuid:project_id>/activity/file/", trail.activity_file, name="activity_file"),
    path("projects/<uuid:project_id>/people/look-as/", people.look_as, name="look_as"),
    path("look-as-myself/", people.look_as_self, name="look_as_self"),
    path("projects/<uuid:project_id>/people/groups/", grants.grant_add, name="grant_add"),
    path("projects/<uuid:project_id>/people/groups/<uuid:grant_id>/", grants.grant_change, name="grant_change"),
    path("projects/<uuid:project_id>/people/invite/", invitations.invite, name="invite"),
    path(
        "projects/<uuid:project_id>/people/invitations/<uuid:invitation_id>/revoke/",
        invitations.invitation_revoke,
        name="invitation_revoke",
    ),
    path("invitation/", invitations.open_invitation, name="invitation"),
    path("projects/<uuid:project_id>/request-access/", requests.request_access, name="request_access"),
    path(
        "projects/<uuid:project_id>/request-access/<uuid:request_id>/withdraw/",
        requests.request_withdraw,
        name="request_withdraw",
    ),
    path(
        "projects/<uuid:project_id>/people/requests/<uuid:request_id>/", requests.request_decide, name="request_decide"
    ),
    path("groups/", groups.groups, name="groups"),
    path("groups/<uuid:group_id>/", groups.group, name="group"),
    path("groups/<uuid:group_id>/delete/", groups.group_delete, name="group_delete"),
    path("groups/<uuid:group_id>/people/<uuid:user_id>/remove/", groups.seat_remove, name="seat_remove"),
    path("projects/<uuid:project_id>/settings/", project.settings, name="settings"),
    path("projects/<uuid:project_id>/archive/", project.archive, name="archive"),
    path("projects/<uuid:project_id>/restore/", project.restore, name="restore"),
]
