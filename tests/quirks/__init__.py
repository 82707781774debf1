"""What real devices, archives and strangers send, and what is right: tried on a running auscult.

``make quirks`` tries everything here and prints a table; ``make test`` tries what is not slow. The conformance
statement counts them by kind, so write `kind`, `name`, `right` and `source` for an administrator.

Each module of this package holds one `Collection` named ``COLLECTION``, and its name stands in `MODULES`::

    def _named_twice(target: Target) -> str:
        status = target.send(encoded, uid)
        if status != 0x0000:
            raise NotRight(f"refused with 0x{status:04X}")
        return "taken, and analysed"


    COLLECTION = Collection("pixels", (Quirk("an image that ...", "VOI LUT", "PS3.3 C.11.2", "...", _named_twice),))

A quirk is a member of a kind of fault, and stands for it; several members of one kind share the text of `kind`.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.quirks.target import Target

#: The modules that hold a collection, in the order of the table.
MODULES: tuple[str, ...] = ("associations", "answers", "destinations", "pixels", "operators", "cases")


class NotRight(Exception):
    """What happened is not what is right; the message says what happened, in words and without patient data."""


@dataclass(frozen=True)
class Quirk:
    """One input, and what must become of it.

    Attributes
    ----------
    name
        What is sent, or what befalls: "a VOI LUT that promises 16 bits and has 12".
    kind
        The kind of fault that it is a member of, a few words: "VOI LUT".
    source
        Part and section of the standard, and the public report or file where it was seen.
    right
        What must happen, one sentence without a full stop.
    run
        Does it; returns what happened in a few words. Raises `NotRight` when that is not right; any other exception
        counts as not right too.
    slow
        Whether only ``make quirks`` tries it: what takes more than some two seconds.
    """

    name: str
    kind: str
    source: str
    right: str
    run: "Callable[[Target], str]"
    slow: bool = False


def _none(_folder: Path) -> AbstractContextManager[Mapping[str, Any]]:
    return nullcontext({})


@dataclass(frozen=True)
class Collection:
    """The quirks of one module, which share a running auscult.

    Attributes
    ----------
    name
        The module's name.
    settings
        Tables of the settings file beyond those of `tests.journeys.gateway.BRISK`, such as
        ``{"listener": {"acse_timeout": 2.0}}``.
    peers
        Called with an empty folder before auscult starts, and left after it has ended: a context manager that gives
        whatever the quirks talk to, by name; they find it in `Target.peers`. Each of its values that has an attribute
        ``destination``, the table of a destination's settings, is configured as one beside "pacs", which is always
        there.
    tolerated
        Whether the conformance statement tells of them.
    lacks
        What is not there that all of them need, in words; empty where they can be tried.
    """

    name: str
    quirks: tuple[Quirk, ...]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    peers: Callable[[Path], AbstractContextManager[Mapping[str, Any]]] = _none
    tolerated: bool = True
    lacks: str = ""


def collections() -> list[Collection]:
    """Return every collection, in the order of `MODULES`."""
    return [import_module(f"{__name__}.{module}").COLLECTION for module in MODULES]
