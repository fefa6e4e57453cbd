"""Pages of groups: those that one is in, and who is in the ones that people keep here."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from accounts.requests import PersonRequest
from common.errors import StateConflict, TooOften, UserError
from projects import services
from projects.forms import GroupForm, SeatForm


@login_required
def groups(request: PersonRequest) -> HttpResponse:
    """The groups that one is in; a POST makes one to be kept here."""
    form = GroupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.make_group(request.user, **form.cleaned_data)
        except (StateConflict, TooOften, UserError) as error:
            form.refuse(error)
        else:
            return redirect("projects:group", made.pk)
    context = {"form": form, "groups": services.my_groups(request.user)[:500]}
    return render(request, "projects/groups.html", context, status=400 if form.errors else 200)


@login_required
def group(request: PersonRequest, group_id: UUID) -> HttpResponse:
    """Who is in the group; a POST puts somebody in, or makes them a keeper."""
    found = services.group_seen_by(request.user, group_id)
    form = SeatForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            services.put_person(request.user, group_id, **form.cleaned_data)
        except (StateConflict, TooOften, UserError) as error:
            form.refuse(error)
        else:
            messages.success(request, f"{form.cleaned_data['username']} is in the group.")
            return redirect("projects:group", group_id)
    seats = services.seats_in(request.user, group_id)
    context = {"group": found, "seats": seats[:1000], "form": form, "keeps": services.keeps(request.user, found)}
    return render(request, "projects/group.html", context, status=400 if form.errors else 200)


@login_required
@require_POST
def seat_remove(request: PersonRequest, group_id: UUID, user_id: UUID) -> HttpResponse:
    """The person is no longer in the group."""
    services.take_person(request.user, group_id, user_id)
    messages.success(request, "The person is no longer in the group.")
    return redirect("projects:groups") if user_id == request.user.pk else redirect("projects:group", group_id)


@login_required
@require_POST
def group_delete(request: PersonRequest, group_id: UUID) -> HttpResponse:
    """The group is gone."""
    services.delete_group(request.user, group_id)
    messages.success(request, "The group is deleted.")
    return redirect("projects:groups")
