"""The API's routes, gathered from the apps."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
