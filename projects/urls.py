"""Pages of ``projects``; a project's first page, its files, is the storage app's."""

from django.urls import path

from projects import views

app_name = "projects"
urlpatterns = [
    path("projects/", views.project_list, name="list"),
    path("projects/<uuid:project_id>/people/", views.people, name="people"),
    path("projects/<uuid:project_id>/people/<uuid:user_id>/", views.member_change, name="member_change"),
    path("projects/<uuid:project_id>/people/<uuid:user_id>/remove/", views.member_remove, name="member_remove"),
    path("projects/<uuid:project_id>/leave/", views.leave, name="leave"),
    path("projects/<uuid:project_id>/activity/", views.activity, name="activity"),
    path("projects/<uuid:project_id>/settings/", views.settings, name="settings"),
    path("projects/<uuid:project_id>/archive/", views.archive, name="archive"),
    path("projects/<uuid:project_id>/restore/", views.restore, name="restore"),
]
