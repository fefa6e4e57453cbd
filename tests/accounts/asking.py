"""Requests with a bearer token."""

from django.test import Client

from accounts.models import User

ME = "/api/v1/me/"


def ask(token, path=ME, method="get", **words):
    return getattr(Client(), method)(path, headers={"Authorization": f"Bearer {token}"}, **words)


def refused(token, code, status=401):
    answer = ask(token)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    assert not User.objects.exists()
    return answer


def accepted(token, **words):
    answer = ask(token, **words)
    assert answer.status_code == 200, answer.content
    return answer.json()
