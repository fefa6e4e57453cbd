"""All routes: pages, and the API under ``/api/v1/``."""

from django.urls import include, path

from gateway.api import nothing_here
from jobs.views.home import home

urlpatterns = [
    path("", home, name="home"),
    path("", include("jobs.urls")),
    path("", include("storage.urls")),
    path("", include("projects.urls")),
    path("", include("accounts.urls")),
    path("oidc/", include("gateway.oidc.urls")),
    path("api/v1/", include("gateway.api")),
    path("api/<path:rest>", nothing_here),
    path("api/", nothing_here),
    path("", include("gateway.health")),
]
