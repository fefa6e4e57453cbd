"""Pages of a person's account."""

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse

from accounts import guessing


class SignIn(LoginView):
    """The form to sign in; who has guessed too often is asked to wait, also with the right password."""

    template_name = "accounts/login.html"
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: str, **kwargs: Any) -> HttpResponse:
        """The person is signed in, or the form is shown again; TooOften after too many wrong passwords."""
        guessing.refuse_guessing(*self._who())
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """The person is signed in, and their earlier typing errors no longer count."""
        guessing.forget(*self._who())
        return super().form_valid(form)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """The form is shown again, and the try is counted."""
        guessing.note_failure(*self._who())
        return super().form_invalid(form)

    def _who(self) -> tuple[str, str]:
        return self.request.POST.get("username", ""), self.request.META.get("REMOTE_ADDR", "")
