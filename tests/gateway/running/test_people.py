"""Demo accounts: this instance's own passwords, one token at a time."""

import json

from django.contrib.auth import authenticate

from accounts.models import ApiToken, User
from gateway.running.people import ensure_people, fresh_token, introduction
from jobs.broker import ensure_local_site
from jobs.models import ComputeSite


def test_people_can_sign_in_with_the_printed_passwords(db, settings):
    passwords = ensure_people()
    lines = "\n".join(introduction(passwords))
    for name in ("researcher", "project-admin", "operator"):
        assert authenticate(username=name, password=passwords[name])
        assert passwords[name] in lines
    assert User.objects.get(username="operator").is_superuser
    assert not User.objects.get(username="researcher").is_superuser


def test_a_second_call_keeps_people_and_passwords_to_the_owner_of_the_home(db, settings):
    assert ensure_people() == ensure_people()
    file = settings.PORTOLAN_HOME / "demo-passwords.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert set(json.loads(file.read_text())) == {"researcher", "project-admin", "operator"}


def test_passwords_differ_between_instances(db, settings, tmp_path):
    first = ensure_people()
    settings.PORTOLAN_HOME = tmp_path / "other"
    assert ensure_people() != first


def test_a_fresh_token_ends_the_one_before(db, settings):
    ensure_people()
    assert fresh_token("researcher") != fresh_token("researcher")
    assert ApiToken.objects.filter(revoked_at=None).count() == 1


def test_the_default_compute_site_is_this_machine_and_is_made_once(db):
    site = ensure_local_site()
    assert site.cores >= 1
    assert site.memory_mb > 0
    site.cores = 1
    site.save()
    assert ensure_local_site().cores == 1
    assert ComputeSite.objects.count() == 1
