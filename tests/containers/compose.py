"""Reads docker-compose.yml as an engine would, as far as its tests need."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.documents import blocks

ROOT = Path(__file__).resolve().parents[2]
_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::-([^}]*))?\})")
OURS = re.compile(r"auscult:[0-9.]+-(?:cpu|gpu)")


@dataclass(frozen=True)
class Service:
    """One service: its name and its table."""

    name: str
    table: Mapping[str, Any]

    @property
    def is_ours(self) -> bool:
        """Whether it runs one of auscult's own images."""
        return OURS.fullmatch(self.table["image"]) is not None

    @property
    def command(self) -> list[str]:
        """The arguments of the image's entry point."""
        return [str(part) for part in self.table.get("command", [])]

    @property
    def environment(self) -> dict[str, str]:
        """Its variables."""
        return {name: str(value) for name, value in self.table.get("environment", {}).items()}

    @property
    def health(self) -> list[str]:
        """The command of its health check, without the word that says how it is run."""
        return [str(part) for part in self.table.get("healthcheck", {}).get("test", [])[1:]]


def read(variables: Mapping[str, str] | None = None, override: str = "") -> dict[str, Any]:
    """Return the file with its variables filled in; a variable that is not given has its default.

    `override` is the content of a docker-compose.override.yml, which an engine reads after it.
    """
    content = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return dict(_filled(_merged(content, yaml.safe_load(override) or {}), variables or {}))


def documented_override(document: str = "howto/production.md") -> str:
    """Return the docker-compose.override.yml of a document; production.md's is for DICOM over TLS."""
    (content,) = blocks(document, "yaml")
    return content


def services(variables: Mapping[str, str] | None = None, override: str = "") -> dict[str, Service]:
    """Return every service, of whatever profile."""
    return {name: Service(name, table) for name, table in read(variables, override)["services"].items()}


def in_order(wanted: Mapping[str, Service]) -> Iterator[Service]:
    """Yield services so that each comes after those that it depends on."""
    left = dict(wanted)
    while left:
        ready = [name for name, one in left.items() if not {*one.table.get("depends_on", {})} & {*left}]
        if not ready:
            raise ValueError(f"these services wait for each other: {', '.join(left)}")
        for name in ready:
            yield left.pop(name)


def _merged(base: Any, over: Any, key: str = "") -> Any:
    """Merge as the Compose Specification's section Merge says: mappings by key, sequences appended, else the latter.

    Of its exceptions those are here that the file can meet: commands and tests are replaced as a whole, and a network
    that is named twice is one.
    """
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {name: _merged(base[name], item, name) if name in base else item for name, item in over.items()}
    if isinstance(base, list) and isinstance(over, list) and key not in ("command", "entrypoint", "test"):
        return base + [item for item in over if item not in base]
    return over


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, variables) for item in value]
    if not isinstance(value, str):
        return value
    return _VARIABLE.sub(lambda found: "$" if found[0] == "$$" else variables.get(found[1], found[2] or ""), value)
