"""Mails about access: best effort, in plain words. What matters is on the pages as well."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage
from django.urls import reverse

from projects.models import AccessRequest, Invitation, Project, RequestState
from projects.permissions import people_with_roles
from projects.roles import RULES, Action, at_least

log = logging.getLogger("portolan.mail")


def send_invitation(invitation: Invitation, link: str) -> bool:
    """The mail with the link is on its way; False where no mail could be sent."""
    who, project = invitation.invited_by.display_name, invitation.project.name
    lines = [f"{who} invites you to the project “{project}” on Portolan, with the role {invitation.role}."]
    lines += [f"What for: {invitation.purpose}"] if invitation.purpose else []
    lines += [f"Open this link and sign in; it works once, until {invitation.expires_at:%d %b %Y}:", link]
    lines += ["If you do not know what this is about, do nothing."]
    return _send(f"Invitation to “{project}”", lines, [invitation.email])


def tell_managers(request: AccessRequest) -> bool:
    """The managers and owners of the project, if there is one, know that somebody asks to be let in."""
    project = Project.objects.filter(pk=request.project_id).first()
    if project is None or request.state != RequestState.WAITING:
        return False
    needed = RULES[Action.MANAGE][0]
    to = [user.email for user, role in people_with_roles(project) if at_least(role, needed) and user.email]
    page = settings.PORTAL_URL + reverse("projects:people", args=[project.pk])
    lines = [f"{request.user.display_name} ({request.user.username}) asks to be let into “{project.name}”."]
    lines += [f"What for: {request.purpose}", f"Approve or decline it here: {page}"]
    return _send(f"Somebody asks for access to “{project.name}”", lines, to)


def tell_requester(request: AccessRequest) -> bool:
    """Who asked knows the answer."""
    project = Project.objects.filter(pk=request.project_id).first()
    if project is None or not request.user.email:
        return False
    if request.state == RequestState.APPROVED:
        page = settings.PORTAL_URL + reverse("storage:project", args=[project.pk])
        return _send(f"You are in “{project.name}”", ["Your request was approved.", page], [request.user.email])
    lines = ["Your request for access was declined.", *([request.answer] if request.answer else [])]
    return _send("Your request for access", lines, [request.user.email])


def _send(subject: str, lines: Iterable[str], to: list[str]) -> bool:
    if not to:
        return False
    # Nobody sees who else was told.
    recipients = {"to": to} if len(to) == 1 else {"bcc": to}
    mail = EmailMessage(subject=" ".join(subject.split()), body="\n\n".join(lines) + "\n", **recipients)  # type: ignore[arg-type]
    try:
        return bool(mail.send())
    except (SMTPException, OSError) as error:
        log.warning("a mail could not be sent: %s", type(error).__name__)
        return False
