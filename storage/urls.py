"""Pages of ``storage``: a project's first page is its folder."""

from django.urls import path

from storage import import_views, link_views, remote_views, site_views, trust_views, views

app_name = "storage"
IMPORT = "projects/<uuid:project_id>/imports/<uuid:import_id>/"
urlpatterns = [
    path("projects/new/", views.new_project, name="new_project"),
    path("projects/<uuid:project_id>/", views.browse, name="project"),
    path("projects/<uuid:project_id>/files/", views.browse, name="files"),
    path("projects/<uuid:project_id>/files/folder/", views.make_folder, name="make_folder"),
    path("projects/<uuid:project_id>/files/move/", views.move, name="move"),
    path("projects/<uuid:project_id>/files/change/", views.change, name="change"),
    path("projects/<uuid:project_id>/files/delete/", views.delete, name="delete"),
    path("projects/<uuid:project_id>/files/undelete/", views.undelete, name="undelete"),
    path("projects/<uuid:project_id>/files/retry/", views.retry, name="retry"),
    path("projects/<uuid:project_id>/files/trash/", views.trash, name="trash"),
    path("projects/<uuid:project_id>/files/content/", views.download, name="download"),
    path("projects/<uuid:project_id>/files/show/", views.show, name="show"),
    path("projects/<uuid:project_id>/files/zip/", views.zip_files, name="zip"),
    path("projects/<uuid:project_id>/files/look/", views.look, name="look"),
    path("projects/<uuid:project_id>/files/pick/", views.pick, name="pick"),
    path("projects/<uuid:project_id>/files/trust/", trust_views.page, name="trust"),
    path("projects/<uuid:project_id>/files/manifest/", trust_views.manifest, name="manifest"),
    path("projects/<uuid:project_id>/files/check/", trust_views.check, name="check"),
    path("projects/<uuid:project_id>/files/complete/", trust_views.complete, name="complete"),
    path("projects/<uuid:project_id>/files/unlock/<uuid:dataset_id>/", trust_views.unlock, name="unlock"),
    path("projects/<uuid:project_id>/imports/", import_views.imports, name="imports"),
    path(IMPORT, import_views.one, name="import"),
    path(f"{IMPORT}live/", import_views.live, name="import_live"),
    path(f"{IMPORT}act/", import_views.act, name="import_act"),
    path(f"{IMPORT}manifest/", import_views.manifest, name="import_manifest"),
    path("projects/<uuid:project_id>/remote/", remote_views.folders, name="remotes"),
    path("projects/<uuid:project_id>/remote/attach/", remote_views.attach, name="remote_attach"),
    path("projects/<uuid:project_id>/remote/<uuid:remote_id>/", remote_views.browse, name="remote"),
    path("projects/<uuid:project_id>/remote/<uuid:remote_id>/detach/", remote_views.detach, name="remote_detach"),
    path("operator/storage/", site_views.stores, name="stores"),
    path("operator/storage/<str:store>/", site_views.store, name="store"),
    path("operator/storage/<str:store>/probe/", site_views.probe, name="store_probe"),
    path("projects/<uuid:project_id>/send/", link_views.send, name="send"),
    path("projects/<uuid:project_id>/links/", link_views.links, name="links"),
    path("projects/<uuid:project_id>/links/<uuid:link_id>/", link_views.link, name="link"),
    path("projects/<uuid:project_id>/links/<uuid:link_id>/live/", link_views.live, name="link_live"),
    path("projects/<uuid:project_id>/links/<uuid:link_id>/key/", link_views.key, name="link_key"),
    path("projects/<uuid:project_id>/links/<uuid:link_id>/revoke/", link_views.revoke, name="link_revoke"),
]
