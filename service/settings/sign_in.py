"""The tables of the ways into the page; each field's description is its documentation."""

from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from service.settings.kinds import Seconds, Section
from service.vocabulary.roles import Role

_HEADER = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class SessionSettings(Section):
    """How long somebody stays signed in (`[web.sessions]`)."""

    idle: Seconds = Field(
        3600.0,
        description="Seconds without anything that a person did, after which a session ends; a list that keeps itself"
        " current does not count.",
    )
    longest: Seconds = Field(43_200.0, description="Seconds after which every session ends, whatever is done in it.")


class GroupSettings(Section):
    """Which of the hospital's groups have which role (`[web.groups]`); for `web.proxy` and `web.oidc`."""

    reader: tuple[str, ...] = Field((), description="Groups whose members are readers.")
    radiologist: tuple[str, ...] = Field((), description="Groups whose members are radiologists.")
    administrator: tuple[str, ...] = Field((), description="Groups whose members are administrators.")

    def roles(self, groups: frozenset[str]) -> frozenset[Role]:
        """Return the roles of a member of some groups; none of a stranger."""
        return frozenset(role for role in Role if groups.intersection(getattr(self, role.value)))


class ProxySettings(Section):
    """A proxy that signs people in before it asks us (`[web.proxy]`)."""

    addresses: tuple[IPv4Network | IPv6Network, ...] = Field(
        min_length=1,
        description="Networks of the proxy's own addresses, such as `10.1.0.5/32`; its headers are read from no other.",
    )
    user_header: _HEADER = Field("X-Remote-User", description="The header in which it names the person.")
    groups_header: _HEADER = Field(
        "X-Remote-Groups", description="The header in which it names the person's groups, with commas between them."
    )
    secret_header: _HEADER = Field("X-Auscult-Proxy", description="The header in which it brings the secret.")
    secret_file: Path | None = Field(
        None,
        description="File whose first line is a secret that it brings with every request; a must where other programs"
        " share an address with it, as on loopback.",
    )

    @model_validator(mode="after")
    def _a_shared_address_needs_a_secret(self) -> "ProxySettings":
        if self.secret_file is None and any(network.is_loopback for network in self.addresses):
            raise ValueError("every program of this machine could be the proxy on loopback; set web.proxy.secret_file")
        return self


class OidcSettings(Section):
    """The hospital's OpenID Connect provider (`[web.oidc]`)."""

    issuer: str = Field(description="Its issuer, an https URL, under which `/.well-known/openid-configuration` lies.")
    client_id: str = Field(min_length=1, description="The client that is registered there for auscult.")
    client_secret_file: Path = Field(description="File whose first line is that client's secret.")
    redirect_uri: str = Field(
        description="The page's own address as registered there: `https://NAME/sign-in/oidc/answer`."
    )
    scopes: str = Field("openid profile", description="What is asked for; `openid` among it.")
    name_claim: str = Field("preferred_username", description="The claim that names the person; `sub` where absent.")
    groups_claim: str = Field("groups", description="The claim that lists the person's groups: see `web.groups`.")
    ca: Path | None = Field(
        None, description="PEM file of the authorities that its certificate must come from; the system's when absent."
    )
    timeout: Seconds = Field(10.0, description="Seconds in which it must answer.")

    @field_validator("issuer", "redirect_uri")
    @classmethod
    def _is_safe(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(parts.hostname)):
            raise ValueError("is neither https nor on this machine; names and tokens never travel in the clear")
        return value

    @field_validator("redirect_uri")
    @classmethod
    def _is_our_own_path(cls, value: str) -> str:
        if urlsplit(value).path != "/sign-in/oidc/answer":
            raise ValueError("the path of the page for this is /sign-in/oidc/answer; register it with the provider")
        return value


def _is_here(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False
