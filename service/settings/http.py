"""What is reached over HTTP: its URL, which tells nobody of patients in the clear."""

from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field

from service.settings.kinds import Section
from service.settings.tls import DestinationTlsSettings


def _private(value: str) -> str:
    parts = urlsplit(value)
    is_named = bool(parts.hostname) and "@" not in parts.netloc and _has_port_or_none(parts)
    if not is_named or parts.scheme not in ("http", "https") or parts.fragment:
        raise ValueError("no URL of a receiver; write one such as https://host/path")
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError("would tell of patients in the clear; use https beyond this machine")
    return value


def _has_port_or_none(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


class HttpPeerSettings(Section):
    """What is reached over HTTP."""

    url: Annotated[str, AfterValidator(_private)] = Field(description="Its place: `https`, or `http` on this machine.")
    tls: DestinationTlsSettings | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port where it listens."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
