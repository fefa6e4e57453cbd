"""Operators' pages about people's accounts."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from accounts.operators import for_operators
from accounts.requests import PersonRequest
from projects.models import Project
from projects.services import accounts

PAGE = 50


@for_operators
def account_list(request: PersonRequest) -> HttpResponse:
    """Accounts, newest first, or those that a search finds."""
    search, start = request.GET.get("search", "")[:200], request.GET.get("from", "")
    first = int(start) if start.isascii() and start.isdigit() and len(start) < 9 else 0
    rows = list(accounts.accounts(request.user, search=search)[first : first + PAGE + 1])
    more = first + PAGE if len(rows) > PAGE else None
    context = {"section": "operator", "people": rows[:PAGE], "more": more, "search": search}
    return render(request, "projects/accounts.html", context)


@for_operators
def account(request: PersonRequest, user_id: UUID) -> HttpResponse:
    """One account: who it is, how they sign in, where they work; and closing it."""
    found = accounts.account(request.user, user_id)
    projects = Project.objects.filter(memberships__user=found).distinct()[:100]
    context = {"section": "operator", "person": found, "projects": projects}
    return render(request, "projects/account.html", context)


@for_operators
@require_POST
def account_suspend(request: PersonRequest, user_id: UUID) -> HttpResponse:
    """The account is closed at once."""
    found = accounts.suspend(request.user, user_id, why=request.POST.get("why", ""))
    messages.success(request, f"{found.display_name} is suspended: signed out everywhere, and every token has ended.")
    return redirect("projects:account", user_id)


@for_operators
@require_POST
def account_unsuspend(request: PersonRequest, user_id: UUID) -> HttpResponse:
    """The account is open again."""
    found = accounts.unsuspend(request.user, user_id)
    messages.success(request, f"{found.display_name} can sign in again. Tokens stay ended.")
    return redirect("projects:account", user_id)
