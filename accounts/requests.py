"""A request of somebody who has signed in, for the types of the pages behind ``login_required``."""

from django.http import HttpRequest

from accounts.models import User


class PersonRequest(HttpRequest):
    """The request of a person: ``user`` is never anonymous."""

    user: User
