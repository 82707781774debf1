"""The table of the page; each field's description is its documentation."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from service.settings.kinds import Port, Seconds, Section
from service.settings.senders import SenderSettings
from service.settings.sign_in import GroupSettings, OidcSettings, ProxySettings, SessionSettings
from service.settings.tls import WebTlsSettings
from service.vocabulary.facts import Searched
from service.vocabulary.roles import Role


class WebSettings(Section):
    """The worklist page (`[web]`)."""

    host: str = Field(
        "127.0.0.1",
        description="Address to listen on; beyond loopback needs `web.tls.certificate`, a login (`web.users`,"
        " `web.proxy` or `web.oidc`) and `web.names`.",
    )
    port: Port = Field(8042, description="TCP port of the page; 0 lets the system choose one.")
    names: tuple[str, ...] = Field(
        (), description="Host names and addresses by which browsers may ask for the page, besides this machine's own."
    )
    users: Path | None = Field(
        None, description="File of names and scrypt hashes (`auscult password`); when set, every page needs a login."
    )
    roles_without_login: tuple[Role, ...] = Field(
        (Role.READER,),
        description="What everybody may do while nobody logs in, on this machine's own address: `reader` marks studies"
        " as read; `radiologist` judges results, `administrator` changes what runs. Empty shows nothing.",
    )
    searched: tuple[Searched, ...] = Field(
        (Searched.ACCESSION,),
        description="What free text on the page is looked for in; empty for no search. It stands in the address, and so"
        " in the browser's history.",
    )
    viewer: str = Field(
        "",
        description="Address of the site's viewer for a study, such as"
        " `https://pacs.example/viewer?StudyInstanceUIDs={study_instance_uid}`; also `{accession_number}` and"
        " `{patient_id}`. The study's page links to it; empty for no link.",
    )
    maximum_connections: Annotated[int, Field(ge=8)] = Field(
        256, description="Most connections at once; fewer where the process has fewer file handles (`ulimit -n`)."
    )
    connections_by_address: Annotated[int, Field(ge=8)] = Field(
        64, description="Most connections at once of one address; a proxy's users all come from the proxy's."
    )
    header_timeout: Seconds = Field(
        10.0, description="Seconds in which a handshake of TLS, and then the header of a request, must have come whole."
    )
    body_timeout: Seconds = Field(
        30.0,
        description="Seconds to wait for the next byte of a request's body, and in which it must have come whole, but"
        " for the time that its bytes may take by `listener.minimum_bytes_per_second`.",
    )
    response_timeout: Seconds = Field(
        120.0, description="Seconds in which a request must be answered, and its answer taken."
    )
    open_metrics: bool = Field(
        False, description="Answer `/metrics` without a login; `/healthz` and `/readyz` never need one."
    )
    behind_tls: bool = Field(
        False,
        description="Whether browsers reach the page over TLS that a proxy before it ends: the session's cookie is then"
        " of https alone.",
    )
    senders: tuple[SenderSettings, ...] = Field((), description="Systems that may store instances by STOW-RS.")
    tls: WebTlsSettings = WebTlsSettings()
    sessions: SessionSettings = SessionSettings()
    groups: GroupSettings = GroupSettings()
    proxy: ProxySettings | None = None
    oidc: OidcSettings | None = None

    @property
    def has_login(self) -> bool:
        """Whether whoever asks must say who it is."""
        return any((self.users, self.proxy, self.oidc))

    @property
    def is_reached_by_tls(self) -> bool:
        """Whether browsers reach the page over TLS: its own, a proxy's, or as the provider sends them to it."""
        redirect = self.oidc.redirect_uri if self.oidc is not None else ""
        return self.tls.is_on or self.behind_tls or redirect.startswith("https:")

    @model_validator(mode="after")
    def _senders_can_be_told_apart(self) -> "WebSettings":
        titles = [sender.ae_title.strip() for sender in self.senders]
        users = [sender.user for sender in self.senders if sender.user is not None]
        if len(set(titles)) != len(titles) or len(set(users)) != len(users):
            raise ValueError("two of web.senders have the same ae_title or user; give each its own")
        if users and self.users is None:
            raise ValueError("a sender of web.senders has a user, and there is no file of users; set web.users")
        return self

    @field_validator("viewer")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        try:
            filled = value.format(study_instance_uid="1.2", accession_number="A", patient_id="P")
        except (KeyError, IndexError, ValueError, AttributeError):
            raise ValueError(
                "names what it cannot be filled with; write {study_instance_uid}, {accession_number} or {patient_id}"
            ) from None
        scheme = urlsplit(filled).scheme
        if value and (not scheme or scheme in ("javascript", "data", "vbscript", "file")):
            raise ValueError("is no address that a browser may follow; write it with https:// or a viewer's own scheme")
        return value

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the page."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False

    @model_validator(mode="after")
    def _patients_are_shown_to_nobody_unknown(self) -> "WebSettings":
        wanted = {
            "web.tls.certificate": self.tls.is_on,
            "web.users (or web.proxy or web.oidc)": self.has_login,
            "web.names": self.names,
        }
        missing = [name for name, value in wanted.items() if not value]
        if not self.is_loopback and missing:
            raise ValueError(
                f"web.host = {self.host} is beyond this machine, where the page needs TLS, a login and its own name;"
                f" set {', '.join(missing)}, or listen on 127.0.0.1"
            )
        return self
