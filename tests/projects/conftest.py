import pytest

from accounts.groups import refresh_groups
from accounts.models import ExternalIdentity, Group

ISSUER = "https://aai.egi.eu/auth/realms/egi"


@pytest.fixture
def told():
    """``told(user, "cryo", "cryo:krios:role=pi")``: at this login the user's AAI tells just these groups."""

    def login(user, *paths):
        identity, _ = ExternalIdentity.objects.get_or_create(issuer=ISSUER, subject=user.username, user=user)
        refresh_groups(identity, {"entitlements": [f"urn:mace:egi.eu:group:{path}#aai.egi.eu" for path in paths]})

    return login


@pytest.fixture
def group_of():
    """``group_of("cryo")`` is the row of that AAI group."""
    return lambda path: Group.objects.get(issuer=ISSUER, path=path)
