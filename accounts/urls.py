"""Pages of ``accounts``."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from accounts import policy_views, views

app_name = "accounts"
urlpatterns = [
    path("login/", views.SignIn.as_view(), name="login"),
    path("policy/", policy_views.policy, name="policy"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
