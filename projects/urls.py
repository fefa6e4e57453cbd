"""Pages of ``projects``; a project's first page, its files, is the storage app's."""

from django.urls import path

from projects.views import accounts, people, project, tokens, trail

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
    path("projects/<uuid:project_id>/people/<uuid:user_id>/remove/", people.member_remove, name="member_remove"),
    path("projects/<uuid:project_id>/leave/", people.leave, name="leave"),
    path("projects/<uuid:project_id>/activity/", trail.activity, name="activity"),
    path("projects/<uuid:project_id>/activity/file/", trail.activity_file, name="activity_file"),
    path("projects/<uuid:project_id>/settings/", project.settings, name="settings"),
    path("projects/<uuid:project_id>/archive/", project.archive, name="archive"),
    path("projects/<uuid:project_id>/restore/", project.restore, name="restore"),
]
