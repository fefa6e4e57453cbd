"""Pages of ``accounts``."""

from django.urls import path

from accounts import policy_views, views

app_name = "accounts"
urlpatterns = [
    path("login/", views.SignIn.as_view(), name="login"),
    path("policy/", policy_views.policy, name="policy"),
    path("logout/", views.SignOut.as_view(), name="logout"),
    path("account/", views.account, name="account"),
    path("account/logins/<uuid:identity_id>/unlink/", views.identity_unlink, name="identity_unlink"),
]
