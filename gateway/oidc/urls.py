"""Addresses of the institutes' logins; the callback and the logout are registered at the provider."""

from django.urls import path

from gateway.oidc import views

app_name = "oidc"
urlpatterns = [
    path("<slug:provider_id>/login/", views.start, name="start"),
    path("<slug:provider_id>/link/", views.start_link, name="link"),
    path("<slug:provider_id>/callback/", views.callback, name="callback"),
    path("<slug:provider_id>/logout/", views.logout_told, name="logout"),
]
