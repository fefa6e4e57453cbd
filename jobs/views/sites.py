"""Operators' pages about compute sites: the list, one site with its probe and drain, and what differs."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from accounts.operators import for_operators
from accounts.requests import PersonRequest
from common.errors import PortolanError
from jobs.lifecycle.sites import SCHEDULERS
from jobs.services import sites
from jobs.services.reconciling import reconcile
from jobs.site_fields import RUNNERS
from jobs.site_forms import form_of, refused, typed

CHOICES = [(one, one) for one in sorted(SCHEDULERS)]


@for_operators
def site_list(request: PersonRequest) -> HttpResponse:
    """All sites with their health."""
    return render(request, "jobs/sites.html", {"section": "operator", "sites": sites.sites()})


@for_operators
def new(request: PersonRequest) -> HttpResponse:
    """A form; a POST adds the site."""
    form = typed(request.POST.dict(), new=True) if request.method == "POST" else form_of(None)
    if form.given:
        given = dict(form.given)
        name = given.pop("name")
        try:
            sites.save_site(request.user, name, given, new=True)
        except PortolanError as wrong:
            form = refused(form, wrong)
        else:
            messages.success(request, f"{name} is added. Probe it before people use it.")
            return redirect("jobs:site", name)
    context = {"section": "operator", "form": form, "schedulers": CHOICES, "runners": RUNNERS}
    return render(request, "jobs/site_new.html", context, status=400 if form.wrong else 200)


@for_operators
def site(request: PersonRequest, name: str) -> HttpResponse:
    """One site; a POST changes it."""
    found = sites.site(name)
    form = typed(request.POST.dict(), new=False) if request.method == "POST" else form_of(found)
    if form.given:
        try:
            sites.save_site(request.user, name, form.given)
        except PortolanError as wrong:
            form = refused(form, wrong)
        else:
            messages.success(request, f"{name} is changed.")
            return redirect("jobs:site", name)
    context = {"section": "operator", "site": found, "form": form, "schedulers": CHOICES, "runners": RUNNERS}
    context["plan"] = sites.drain_site(request.user, name, dry_run=True) if found.takes_jobs else None
    return render(request, "jobs/site.html", context, status=400 if form.wrong else 200)


@for_operators
@require_POST
def probe(request: PersonRequest, name: str) -> HttpResponse:
    """A worker probes the site."""
    sites.start_probe(request.user, name)
    messages.success(request, "The site is being probed. Look again in a moment.")
    return redirect("jobs:site", name)


@for_operators
@require_POST
def drain(request: PersonRequest, name: str) -> HttpResponse:
    """The site takes no new jobs."""
    plan = sites.drain_site(request.user, name, reason=request.POST.get("reason", ""))
    messages.success(request, f"{name} takes no new jobs; {sum(plan.moves.values())} moved to other sites.")
    return redirect("jobs:site", name)


@for_operators
@require_POST
def reopen(request: PersonRequest, name: str) -> HttpResponse:
    """The site takes jobs again."""
    sites.open_site(request.user, name)
    messages.success(request, f"{name} takes jobs again.")
    return redirect("jobs:site", name)


@for_operators
def differences(request: PersonRequest) -> HttpResponse:
    """Database, scheduler and disk side by side; a POST mends what can be."""
    repair = request.method == "POST"
    done = reconcile(request.user, repair=repair)
    if repair:
        messages.success(request, f"{len(done.mended)} of {len(done.differences)} mended.")
        return redirect("jobs:reconcile")
    return render(request, "jobs/reconcile.html", {"section": "operator", "done": done})
