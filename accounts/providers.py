"""The institutes' login services that this gateway trusts, read from the environment; no Django, no network.

Facts of the profiles: EGI Check-in's guide for service providers, and the documentation of Helmholtz ID. A service of
another AARC-style proxy is given by its issuer and its group namespaces.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings

from common.errors import UserError

PREFIX = "OIDC_"
LIST = "OIDC_PROVIDERS"
ID = re.compile(r"[a-z][a-z0-9-]{0,30}")
NAMESPACE = re.compile(r"urn:[a-z0-9][a-z0-9-]{0,30}[a-z0-9](:[^\s:#]+)+")
# The clients with which oidc-agent and other command line programs get people's tokens are each site's own choice:
# none is accepted unless it is named.
BASIC_SCOPES = ("openid", "profile", "email", "offline_access")
GROUP_SCOPES = ("eduperson_entitlement", "eduperson_assurance", "voperson_id")


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One trusted issuer, and this gateway's registration there."""

    id: str
    name: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...]
    # Exact lower-case URN namespace -> authorities that may speak for it; "" allows a value without an authority.
    groups: Mapping[str, frozenset[str]]
    # A whole entitlement without which nobody comes in; "" leaves the gate open. ``apply_url``: where to ask for it.
    required_entitlement: str = ""
    apply_url: str = ""
    # Bearer tokens are accepted that were made for one of these audiences, or got by one of these clients (azp).
    audiences: frozenset[str]
    clients: frozenset[str]
    # True: a group's entitlement without ``:role=`` says membership. False: only ``:role=member`` does.
    no_role_is_member: bool
    device_flow: bool

    @property
    def discovery_url(self) -> str:
        """Where the issuer describes itself."""
        return f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What is known of a federation's login service before anything is configured."""

    name: str
    issuers: Mapping[str, str]
    groups: Mapping[str, Mapping[str, frozenset[str]]]
    scopes: tuple[str, ...]
    no_role_is_member: bool
    device_flow: bool


def _hosts(namespace: str, **authorities: str) -> dict[str, dict[str, frozenset[str]]]:
    # AARC-G069 lets the authority be absent.
    return {where: {namespace: frozenset({authority, ""})} for where, authority in authorities.items()}


PROFILES: Mapping[str, Profile] = {
    "egi": Profile(
        name="EGI Check-in",
        issuers={
            "prod": "https://aai.egi.eu/auth/realms/egi",
            "demo": "https://aai-demo.egi.eu/auth/realms/egi",
            "dev": "https://aai-dev.egi.eu/auth/realms/egi",
        },
        groups=_hosts("urn:mace:egi.eu", prod="aai.egi.eu", demo="aai-demo.egi.eu", dev="aai-dev.egi.eu"),
        scopes=(*BASIC_SCOPES, *GROUP_SCOPES),
        no_role_is_member=False,
        device_flow=True,
    ),
    "helmholtz": Profile(
        name="Helmholtz ID",
        issuers={
            "prod": "https://login.helmholtz.de/oauth2",
            "dev": "https://login-dev.helmholtz.de/oauth2",
        },
        groups=_hosts("urn:geant:helmholtz.de", prod="login.helmholtz.de", dev="login-dev.helmholtz.de"),
        scopes=(*BASIC_SCOPES, *GROUP_SCOPES, "entitlements"),
        no_role_is_member=True,
        device_flow=False,
    ),
    "aarc": Profile(
        name="",
        issuers={},
        groups={},
        scopes=(*BASIC_SCOPES, *GROUP_SCOPES),
        no_role_is_member=True,
        device_flow=True,
    ),
}
KNOWN = frozenset(
    {
        *("PROFILE", "ENVIRONMENT", "NAME", "ISSUER", "CLIENT_ID", "CLIENT_SECRET", "SCOPES", "GROUP_NAMESPACES"),
        *("REQUIRED_ENTITLEMENT", "APPLY_URL", "API_AUDIENCES", "API_CLIENTS", "NO_ROLE_IS_MEMBER", "DEVICE_FLOW"),
    }
)


class BadProvider(UserError):
    """The variables ``OIDC_…`` do not describe a provider; the hint says what to change."""

    code = "bad_provider"


def providers() -> tuple[Provider, ...]:
    """The configured providers in their order; BadProvider when a variable must be changed."""
    return _read(tuple(sorted(settings.OIDC.items())))


def provider_of(issuer: str) -> Provider | None:
    """The provider that is exactly this issuer."""
    return next((provider for provider in providers() if provider.issuer == issuer), None)


def provider_called(provider_id: str) -> Provider | None:
    """The provider with this id."""
    return next((provider for provider in providers() if provider.id == provider_id), None)


def origins(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Where forms of the portal may lead besides itself: the hosts of the issuers. None while they are not right."""
    try:
        found = _read(tuple(sorted(variables.items())))
    except BadProvider:
        return ()
    return tuple("{0.scheme}://{0.netloc}".format(urlsplit(provider.issuer)) for provider in found)


@lru_cache(maxsize=8)
def _read(variables: tuple[tuple[str, str], ...]) -> tuple[Provider, ...]:
    given = {name: value.strip() for name, value in variables}
    names = [name.strip() for name in given.get(LIST, "").split(",") if name.strip()]
    for name in names:
        if not ID.fullmatch(name) or names.count(name) > 1:
            raise BadProvider(
                f"{LIST} names “{name}”.", hint="Give each provider once: small letters, digits and dashes."
            )
    found = tuple(_provider(name, given) for name in names)
    _refuse_strays(given, names)
    issuers = [provider.issuer.rstrip("/") for provider in found]
    for provider in found:
        if issuers.count(provider.issuer.rstrip("/")) > 1:
            raise BadProvider(f"{provider.issuer} is given twice.", hint=f"One issuer is one provider: change {LIST}.")
    return found


def _refuse_strays(given: Mapping[str, str], names: list[str]) -> None:
    starts = tuple(_variable(name, "") for name in names)
    known = {LIST, *(_variable(name, word) for name in names for word in KNOWN)}
    for variable in given:
        if variable.startswith(starts) and variable not in known and starts:
            raise BadProvider(
                f"{variable} is not a variable of a provider.", hint=f"Known: {', '.join(sorted(KNOWN))}."
            )


def _variable(name: str, word: str) -> str:
    return f"{PREFIX}{name.upper().replace('-', '_')}_{word}"


@dataclass(frozen=True, kw_only=True)
class _Source:
    """The variables of one provider."""

    name: str
    given: Mapping[str, str]

    def get(self, word: str, default: str = "") -> str:
        return self.given.get(_variable(self.name, word)) or default

    def need(self, word: str, default: str, hint: str) -> str:
        value = self.get(word, default)
        if not value:
            raise BadProvider(f"{_variable(self.name, word)} is missing.", hint=hint)
        return value

    def words(self, word: str) -> tuple[str, ...]:
        return tuple(self.get(word).replace(",", " ").split())

    def flag(self, word: str, default: bool) -> bool:
        value = self.get(word).lower()
        if value not in ("", "1", "0", "true", "false", "yes", "no", "on", "off"):
            raise BadProvider(f"{_variable(self.name, word)} is “{value}”.", hint="Write 1 or 0.")
        return value in ("1", "true", "yes", "on") if value else default


def _provider(name: str, given: Mapping[str, str]) -> Provider:
    source = _Source(name=name, given=given)
    profile = _profile(source)
    place = source.get("ENVIRONMENT", "prod")
    if profile.issuers and place not in profile.issuers:
        hint = f"Write {' or '.join(profile.issuers)}."
        raise BadProvider(f"{_variable(name, 'ENVIRONMENT')} is “{place}”.", hint=hint)
    client = source.need("CLIENT_ID", "", "The client id that the provider gave at the registration.")
    secret = source.need("CLIENT_SECRET", "", "The client secret that the provider gave at the registration.")
    issuer = source.need("ISSUER", profile.issuers.get(place, ""), "The issuer as its discovery document states it.")
    _refuse_bad_issuer(_variable(name, "ISSUER"), issuer)
    scopes = source.words("SCOPES") or profile.scopes
    if "openid" not in scopes:
        raise BadProvider(
            f"{_variable(name, 'SCOPES')} has no “openid”.", hint="Add openid: without it nobody signs in."
        )
    return Provider(
        id=name,
        name=source.get("NAME", profile.name or name),
        issuer=issuer,
        client_id=client,
        client_secret=secret,
        scopes=scopes,
        groups=_groups(source) or profile.groups.get(place, {}),
        required_entitlement=source.get("REQUIRED_ENTITLEMENT"),
        apply_url=_apply_url(source),
        audiences=frozenset({client, *source.words("API_AUDIENCES")}),
        clients=frozenset({client, *source.words("API_CLIENTS")}),
        no_role_is_member=source.flag("NO_ROLE_IS_MEMBER", profile.no_role_is_member),
        device_flow=source.flag("DEVICE_FLOW", profile.device_flow),
    )


def _profile(source: _Source) -> Profile:
    usual = source.name if source.name in PROFILES else "aarc"
    wanted = source.get("PROFILE", usual)
    if wanted not in PROFILES:
        hint = f"Write {', '.join(PROFILES)}."
        raise BadProvider(f"{_variable(source.name, 'PROFILE')} is “{wanted}”.", hint=hint)
    return PROFILES[wanted]


def _refuse_bad_issuer(variable: str, issuer: str) -> None:
    parts = urlsplit(issuer)
    local = parts.hostname in ("localhost", "::1") or (parts.hostname or "").startswith("127.")
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise BadProvider(f"{variable} is “{issuer}”.", hint="An issuer is an https address.")
    if parts.query or parts.fragment or not parts.hostname:
        raise BadProvider(f"{variable} is “{issuer}”.", hint="An issuer has a host, and neither ? nor #.")


def _apply_url(source: _Source) -> str:
    url = source.get("APPLY_URL")
    if url and urlsplit(url).scheme not in ("https", "http", "mailto"):
        raise BadProvider(f"{_variable(source.name, 'APPLY_URL')} is “{url}”.", hint="Give an https address.")
    return url


def _groups(source: _Source) -> dict[str, frozenset[str]]:
    """``urn:x:y#authority urn:x:y#other urn:z`` as a table; a value without ``#`` allows an absent authority."""
    found: dict[str, set[str]] = {}
    for namespace, authority in _namespaces(source):
        found.setdefault(namespace, set()).add(authority)
    return {namespace: frozenset(authorities) for namespace, authorities in found.items()}


def _namespaces(source: _Source) -> Iterator[tuple[str, str]]:
    for word in source.words("GROUP_NAMESPACES"):
        namespace, _, authority = word.partition("#")
        if not NAMESPACE.fullmatch(namespace.lower()):
            hint = "Write urn:mace:egi.eu#aai.egi.eu: the namespace before “:group:”, then who may speak for it."
            raise BadProvider(f"{_variable(source.name, 'GROUP_NAMESPACES')} holds “{word}”.", hint=hint)
        yield namespace.lower(), authority
