"""The API's routes, gathered from the apps: each address with what each method does there."""

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from accounts.api import MeViewSet, TokenViewSet
from accounts.policy_views import PolicyViewSet
from common.errors import NotFound
from jobs.access_api import ProjectGrantViewSet, ProjectMemberViewSet
from jobs.api import JobStreamViewSet, JobViewSet, ProjectJobViewSet, ToolViewSet
from jobs.site_api import ReconcileViewSet, SiteViewSet
from projects.api.accounts import AccountViewSet
from projects.api.audit import AuditViewSet
from projects.api.groups import GroupViewSet, SeatViewSet
from projects.api.invitations import InvitationViewSet
from projects.api.requests import OwnRequestViewSet, ProjectRequestViewSet
from storage.api.acls import AclViewSet
from storage.api.files import ContentViewSet, FileViewSet, TrashViewSet
from storage.api.imports import ImportFileViewSet, ImportManifestViewSet, ImportViewSet
from storage.api.links import LinkKeyViewSet, LinkLogViewSet, LinkViewSet
from storage.api.projects import ProjectViewSet
from storage.api.remote import RemoteFileViewSet, RemoteFolderViewSet, RemoteLinkViewSet
from storage.api.sites import StorageSiteViewSet
from storage.api.trust import CheckViewSet, DatasetViewSet, DetailsViewSet, ManifestViewSet, UsageViewSet
from storage.api.uploads import UploadViewSet

app_name = "api"
PROJECT = "projects/<uuid:project_id>/"
REMOTE = "remote-folders/<uuid:remote_id>/"
STORE = "storage-sites/<str:store>/"
IMPORT = f"{PROJECT}imports/<uuid:import_id>/"
JOB = "jobs/<uuid:job_id>/"


@csrf_exempt
def nothing_here(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Any other address under the API is a 404 with a problem document."""
    hint = "GET /api/v1/schema/ lists all addresses; each ends with a slash."
    raise NotFound("There is nothing at this address of the API.", hint=hint)


accounts: list[URLPattern] = [
    path("me/", MeViewSet.as_view({"get": "retrieve"}), name="me"),
    path("me/logins/<uuid:identity_id>/", MeViewSet.as_view({"delete": "unlink"}), name="me_login"),
    path("me/policy/", PolicyViewSet.as_view({"get": "retrieve", "post": "accept"}), name="policy"),
    path("tokens/", TokenViewSet.as_view({"get": "list", "post": "create"}), name="tokens"),
    path("tokens/revoke-all/", TokenViewSet.as_view({"post": "revoke_all"}), name="tokens_revoke_all"),
    path("tokens/<uuid:token_id>/", TokenViewSet.as_view({"delete": "destroy"}), name="token"),
]
projects: list[URLPattern] = [
    path("projects/", ProjectViewSet.as_view({"get": "list", "post": "create"}), name="projects"),
    path(PROJECT, ProjectViewSet.as_view({"get": "retrieve", "patch": "partial_update"}), name="project"),
    path(f"{PROJECT}archive/", ProjectViewSet.as_view({"post": "archive"}), name="archive"),
    path(f"{PROJECT}restore/", ProjectViewSet.as_view({"post": "restore"}), name="restore"),
    path(f"{PROJECT}clone/", ProjectViewSet.as_view({"post": "clone"}), name="clone"),
    path(f"{PROJECT}leave/", ProjectMemberViewSet.as_view({"post": "leave"}), name="leave"),
    path(f"{PROJECT}members/", ProjectMemberViewSet.as_view({"get": "list", "post": "create"}), name="members"),
    path(
        f"{PROJECT}members/<uuid:user_id>/",
        ProjectMemberViewSet.as_view({"put": "update", "delete": "destroy"}),
        name="member",
    ),
    path(
        f"{PROJECT}members/<uuid:user_id>/removal/",
        ProjectMemberViewSet.as_view({"get": "removal"}),
        name="member_removal",
    ),
    path(f"{PROJECT}grants/", ProjectGrantViewSet.as_view({"get": "list", "post": "create"}), name="grants"),
    path(
        f"{PROJECT}grants/<uuid:grant_id>/",
        ProjectGrantViewSet.as_view({"put": "update", "delete": "destroy"}),
        name="grant",
    ),
    path(f"{PROJECT}invitations/", InvitationViewSet.as_view({"get": "list", "post": "create"}), name="invitations"),
    path(
        f"{PROJECT}invitations/<uuid:invitation_id>/",
        InvitationViewSet.as_view({"delete": "destroy"}),
        name="invitation",
    ),
    path("invitations/accept/", InvitationViewSet.as_view({"post": "accept"}), name="invitation_accept"),
    path(f"{PROJECT}access-requests/", ProjectRequestViewSet.as_view({"get": "list"}), name="requests"),
    path(
        f"{PROJECT}access-requests/<uuid:request_id>/approve/",
        ProjectRequestViewSet.as_view({"post": "approve"}),
        name="request_approve",
    ),
    path(
        f"{PROJECT}access-requests/<uuid:request_id>/decline/",
        ProjectRequestViewSet.as_view({"post": "decline"}),
        name="request_decline",
    ),
    path("access-requests/", OwnRequestViewSet.as_view({"get": "list", "post": "create"}), name="my_requests"),
    path("access-requests/<uuid:own_request_id>/", OwnRequestViewSet.as_view({"delete": "destroy"}), name="my_request"),
    path("groups/", GroupViewSet.as_view({"get": "list", "post": "create"}), name="groups"),
    path(
        "groups/<uuid:group_id>/",
        GroupViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"}),
        name="group",
    ),
    path("groups/<uuid:group_id>/people/", SeatViewSet.as_view({"get": "list", "post": "create"}), name="seats"),
    path("groups/<uuid:group_id>/people/<uuid:user_id>/", SeatViewSet.as_view({"delete": "destroy"}), name="seat"),
    path(
        f"{PROJECT}grants/<uuid:grant_id>/removal/",
        ProjectGrantViewSet.as_view({"get": "removal"}),
        name="grant_removal",
    ),
    path(f"{PROJECT}audit/", AuditViewSet.as_view({"get": "list"}), name="audit"),
    path(f"{PROJECT}audit/export/", AuditViewSet.as_view({"get": "export"}), name="audit_export"),
]
files: list[URLPattern] = [
    path(f"{PROJECT}files/", FileViewSet.as_view({"get": "list"}), name="files"),
    path(f"{PROJECT}files/folder/", FileViewSet.as_view({"post": "make_folder"}), name="files_folder"),
    path(f"{PROJECT}files/move/", FileViewSet.as_view({"post": "move"}), name="files_move"),
    path(f"{PROJECT}files/delete/", FileViewSet.as_view({"post": "delete"}), name="files_delete"),
    path(f"{PROJECT}files/restore/", FileViewSet.as_view({"post": "restore"}), name="files_restore"),
    path(f"{PROJECT}files/trash/", TrashViewSet.as_view({"get": "list", "delete": "destroy"}), name="files_trash"),
    path(f"{PROJECT}files/content/", ContentViewSet.as_view({"get": "content"}), name="files_content"),
    path(f"{PROJECT}files/preview/", ContentViewSet.as_view({"get": "preview"}), name="files_preview"),
    path(f"{PROJECT}files/zip/", ContentViewSet.as_view({"get": "zip"}), name="files_zip"),
    path(f"{PROJECT}links/", LinkViewSet.as_view({"get": "list", "post": "create"}), name="links"),
    path(f"{PROJECT}links/<uuid:link_id>/", LinkViewSet.as_view({"get": "retrieve", "delete": "destroy"}), name="link"),
    path(f"{PROJECT}links/<uuid:link_id>/keys/", LinkKeyViewSet.as_view({"post": "create"}), name="link_keys"),
    path(f"{PROJECT}links/<uuid:link_id>/log/", LinkLogViewSet.as_view({"get": "list"}), name="link_log"),
    path(f"{PROJECT}remote-links/", RemoteLinkViewSet.as_view({"get": "list"}), name="remote_links"),
    path(f"{PROJECT}remote-folders/", RemoteFolderViewSet.as_view({"get": "list", "post": "create"}), name="remotes"),
    path(f"{PROJECT}{REMOTE}", RemoteFolderViewSet.as_view({"delete": "destroy"}), name="remote"),
    path(f"{PROJECT}{REMOTE}files/", RemoteFileViewSet.as_view({"get": "list"}), name="remote_files"),
    path(f"{PROJECT}{REMOTE}links/", RemoteLinkViewSet.as_view({"post": "create"}), name="remote_link"),
    path(f"{PROJECT}imports/", ImportViewSet.as_view({"get": "list", "post": "create"}), name="imports"),
    path(IMPORT, ImportViewSet.as_view({"get": "retrieve"}), name="import"),
    path(f"{IMPORT}start/", ImportViewSet.as_view({"post": "start"}), name="import_start"),
    path(f"{IMPORT}pause/", ImportViewSet.as_view({"post": "pause"}), name="import_pause"),
    path(f"{IMPORT}cancel/", ImportViewSet.as_view({"post": "cancel"}), name="import_cancel"),
    path(f"{IMPORT}files/", ImportFileViewSet.as_view({"get": "list"}), name="import_files"),
    path(f"{IMPORT}manifest/", ImportManifestViewSet.as_view({"get": "retrieve"}), name="import_manifest"),
    path(f"{PROJECT}files/details/", DetailsViewSet.as_view({"get": "retrieve"}), name="files_details"),
    path(f"{PROJECT}files/manifest/", ManifestViewSet.as_view({"get": "retrieve"}), name="files_manifest"),
    path(f"{PROJECT}usage/", UsageViewSet.as_view({"get": "retrieve"}), name="usage"),
    path(f"{PROJECT}checks/", CheckViewSet.as_view({"get": "list", "post": "create"}), name="checks"),
    path(f"{PROJECT}checks/<uuid:check_id>/", CheckViewSet.as_view({"get": "retrieve"}), name="check"),
    path(f"{PROJECT}datasets/", DatasetViewSet.as_view({"get": "list", "post": "create"}), name="datasets"),
    path(f"{PROJECT}datasets/<uuid:dataset_id>/unlock/", DatasetViewSet.as_view({"post": "unlock"}), name="unlock"),
    path(f"{PROJECT}uploads/", UploadViewSet.as_view({"get": "list", "post": "create"}), name="uploads"),
    path(f"{PROJECT}uploads/<uuid:upload_id>/", UploadViewSet.as_view({"delete": "destroy"}), name="upload"),
    path(f"{PROJECT}uploads/<uuid:upload_id>/finish/", UploadViewSet.as_view({"post": "finish"}), name="finish"),
]
jobs: list[URLPattern] = [
    path("tools/", ToolViewSet.as_view({"get": "list"}), name="tools"),
    path("tools/<slug:name>/", ToolViewSet.as_view({"get": "retrieve"}), name="tool"),
    path("sites/", SiteViewSet.as_view({"get": "list", "post": "create"}), name="sites"),
    path("sites/<slug:name>/", SiteViewSet.as_view({"get": "retrieve", "patch": "partial_update"}), name="site"),
    path("sites/<slug:name>/settings/", SiteViewSet.as_view({"get": "configured"}), name="site_settings"),
    path("sites/<slug:name>/probe/", SiteViewSet.as_view({"post": "probe"}), name="site_probe"),
    path("sites/<slug:name>/drain/", SiteViewSet.as_view({"post": "drain"}), name="site_drain"),
    path("sites/<slug:name>/open/", SiteViewSet.as_view({"post": "open"}), name="site_open"),
    path(f"{PROJECT}jobs/", ProjectJobViewSet.as_view({"get": "list", "post": "create"}), name="jobs"),
    path(JOB, JobViewSet.as_view({"get": "retrieve"}), name="job"),
    path(f"{JOB}cancel/", JobViewSet.as_view({"post": "cancel"}), name="job_cancel"),
    path(f"{JOB}rerun/", JobViewSet.as_view({"post": "rerun"}), name="job_rerun"),
    path("jobs/<uuid:failed_id>/repair/", JobViewSet.as_view({"post": "repair"}), name="job_repair"),
    path(f"{JOB}events/", JobViewSet.as_view({"get": "events"}), name="job_events"),
    path(f"{JOB}elements/", JobViewSet.as_view({"get": "elements"}), name="job_elements"),
    path(f"{JOB}outputs/", JobViewSet.as_view({"get": "outputs"}), name="job_outputs"),
    path(f"{JOB}log/", JobViewSet.as_view({"get": "log"}), name="job_log"),
    path(f"{JOB}how/", JobViewSet.as_view({"get": "how"}), name="job_how"),
    path(f"{JOB}stream/", JobStreamViewSet.as_view({"get": "stream"}), name="job_stream"),
]
ACCOUNT = "operator/accounts/<uuid:user_id>/"
operators: list[URLPattern] = [
    path("storage-sites/", StorageSiteViewSet.as_view({"get": "list", "post": "create"}), name="stores"),
    path(STORE, StorageSiteViewSet.as_view({"get": "retrieve", "patch": "partial_update"}), name="store"),
    path(f"{STORE}probe/", StorageSiteViewSet.as_view({"post": "probe"}), name="store_probe"),
    path("operator/reconcile/", ReconcileViewSet.as_view({"get": "list", "post": "create"}), name="reconcile"),
    path("operator/accounts/", AccountViewSet.as_view({"get": "list"}), name="accounts"),
    path(ACCOUNT, AccountViewSet.as_view({"get": "retrieve"}), name="account"),
    path(f"{ACCOUNT}suspend/", AccountViewSet.as_view({"post": "suspend"}), name="account_suspend"),
    path(f"{ACCOUNT}unsuspend/", AccountViewSet.as_view({"post": "unsuspend"}), name="account_unsuspend"),
    path(f"{ACCOUNT}posix/", AclViewSet.as_view({"put": "account"}), name="acls_account"),
    path("operator/audit/", AuditViewSet.as_view({"get": "list_own"}), name="gateway_audit"),
    path("operator/audit/export/", AuditViewSet.as_view({"get": "export_own"}), name="gateway_audit_export"),
    path("operator/acls/", AclViewSet.as_view({"get": "list"}), name="acls"),
    path("operator/acls/<uuid:project_id>/repair/", AclViewSet.as_view({"post": "repair"}), name="acls_repair"),
]
about: list[URLPattern] = [
    path("schema/", SpectacularJSONAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api:schema"), name="docs"),
]
last: list[URLPattern] = [path("", nothing_here), path("<path:rest>", nothing_here)]
urlpatterns: list[URLPattern] = accounts + projects + files + jobs + operators + about + last
