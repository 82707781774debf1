"""Destinations that take reports and answer strangely, or deny what they took."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydicom.uid import BasicTextSRStorage
from pynetdicom.dsutils import encode

from service.ledger.records import DeliveryRecord
from service.vocabulary.states import DeliveryState
from tests.fakes import ScriptedPacs, scripted_pacs
from tests.journeys.gateway import destination
from tests.phantoms import chest
from tests.quirks import Collection, NotRight, Quirk
from tests.quirks.target import Target

_FIND = "C-FIND that fails"
_DUPLICATE = "status 0x0111"


@dataclass(frozen=True)
class Peer:
    """A destination that answers by a script."""

    pacs: ScriptedPacs
    destination: Mapping[str, Any]


def _peer(stack: ExitStack, name: str, *, confirm: str = "find", **answers: Any) -> Peer:
    pacs = stack.enter_context(scripted_pacs(**answers))
    more = {"reports": ["text_sr"], "confirm": confirm}
    return Peer(pacs, destination(pacs.port, name=name, ae_title="SCRIPTED", **more))


@contextmanager
def _peers(_folder: Path) -> Iterator[Mapping[str, Peer]]:
    with ExitStack() as stack:
        peers = {
            "a900": _peer(stack, "a900"),
            "c000": _peer(stack, "c000"),
            "duplicate": _peer(stack, "duplicate", statuses=[0x0111] * 1000, confirm="none"),
            "basic text": _peer(stack, "basic text", sop_classes=[BasicTextSRStorage]),
            "no find": _peer(stack, "no find", finds=False),
        }
        peers["a900"].pacs.find_failure, peers["c000"].pacs.find_failure = 0xA900, 0xC000
        yield peers


def _ended(target: Target, name: str, timeout_s: float = 30.0) -> DeliveryRecord:
    """Send an image; return the row of its report for a destination once nothing more happens to it."""
    dataset = chest(seed=sum(name.encode()))
    uid, data_set = str(dataset.SOPInstanceUID), encode(dataset, is_implicit_vr=False, is_little_endian=True)
    if (status := target.send(data_set or b"", uid, sop_class_uid=str(dataset.SOPClassUID))) != 0x0000:
        raise NotRight(f"the image was refused with 0x{status:04X}")
    deadline = time.monotonic() + timeout_s
    while True:
        rows = target.deliveries(uid, name)
        if rows and all(row.next_attempt_at is None or row.state == DeliveryState.CONFIRMED for row in rows):
            return rows[0]
        if time.monotonic() > deadline:
            raise NotRight("no report" if not rows else f"still {rows[0].state}: {rows[0].detail}")
        time.sleep(0.1)


def require_unconfirmable(target: Target, name: str) -> None:
    """Send an image; its report must end as sent, cannot be confirmed, at a destination."""
    row = _ended(target, name)
    if row.state != DeliveryState.UNCONFIRMABLE:
        raise NotRight(row.state)


def _is_unconfirmable(name: str, target: Target) -> str:
    require_unconfirmable(target, name)
    asked = target.peers[name].pacs.finds_asked
    if asked > 40:
        raise NotRight(f"asked {asked} times")
    return f"sent; cannot be confirmed, after {asked} C-FINDs"


def _is_not_dead(target: Target) -> str:
    row = _ended(target, "duplicate")
    if row.state == DeliveryState.DEAD or row.status != 0x0111:
        raise NotRight(f"{row.state}, {row.detail}")
    return f"{row.state} after {row.attempts} attempt"


def _has_basic_text(target: Target) -> str:
    row = _ended(target, "basic text")
    (report, *_) = target.peers["basic text"].pacs.received
    if row.state != DeliveryState.CONFIRMED or report.SOPClassUID != BasicTextSRStorage:
        raise NotRight(f"{row.state}: {row.detail}")
    return "confirmed as Basic Text SR"


COLLECTION = Collection(
    "destinations",
    (
        *(
            Quirk(
                f"a destination that answers C-FIND with 0x{name.upper()}",
                _FIND,
                "PS3.4 C.4.1.1.4",
                "asked ever more seldom; sent, cannot be confirmed; never dead",
                partial(_is_unconfirmable, name),
                slow=True,
            )
            for name in ("a900", "c000")
        ),
        Quirk(
            "a destination without C-FIND",
            _FIND,
            "PS3.4 C.4.1",
            "sent, cannot be confirmed",
            partial(_is_unconfirmable, "no find"),
        ),
        Quirk(
            "a destination that has each report already",
            _DUPLICATE,
            "PS3.7 Annex C",
            "sent or confirmed, never dead, and not sent for ever",
            _is_not_dead,
        ),
        Quirk(
            "a destination that accepts Basic Text SR only",
            "SOP classes of reports",
            "PS3.3 A.35.1",
            "the text report arrives as Basic Text SR",
            _has_basic_text,
        ),
    ),
    settings={"delivery": {"confirm_give_up_after": 4.0}},
    peers=_peers,
)
