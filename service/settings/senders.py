"""Who may store instances by DICOMweb; each has a table of its own."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import Field, model_validator

from service.settings.kinds import AeTitle, Section


class SenderSettings(Section):
    """A system that may store instances over HTTP by STOW-RS (`[[web.senders]]`); without any, nobody may."""

    ae_title: AeTitle = Field(
        description="What its instances are recorded under, as those of an association are under its calling AE title;"
        " unique among senders."
    )
    token_file: Path | None = Field(
        None,
        description="File whose first line is the token that it sends as `Authorization: Bearer`: at least 20"
        " characters, such as `openssl rand -base64 32` makes.",
    )
    user: str | None = Field(None, description="Its name in `web.users`, where it logs in by HTTP Basic instead.")
    allowed_addresses: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="Networks that it may send from; empty allows every address."
    )

    @model_validator(mode="after")
    def _is_known_by_one_secret(self) -> "SenderSettings":
        if (self.token_file is None) == (self.user is None):
            raise ValueError("a sender is known by a token or by a login; set token_file, or user")
        return self
