"""What destinations answer to our association requests."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.phantoms import chest
from tests.quirks import Collection, NotRight, Quirk
from tests.quirks.target import Target
from tests.service.dicom.odd_answers import BAD_ANSWERS, GOOD_ANSWERS, OddAnswer
from tests.service.dicom.raw_scp import RawScp
from tests.service.listening import send

#: Tried by `make test` as well.
_QUICK = {"no Maximum Length item", "rejected: called AE title"}


@dataclass(frozen=True)
class _Peer:
    """A destination whose answers are odd."""

    name: str
    scp: RawScp

    @property
    def destination(self) -> Mapping[str, Any]:
        """The table of its settings."""
        return {**self.scp.destination(self.name), "reports": ["text_sr"]}


def _name(odd: OddAnswer) -> str:
    everything = (*GOOD_ANSWERS, *BAD_ANSWERS)
    return f"odd{everything.index(odd)}"


@contextmanager
def _peers(_folder: Path) -> Iterator[Mapping[str, _Peer]]:
    with ExitStack() as stack:
        yield {
            _name(odd): _Peer(_name(odd), stack.enter_context(RawScp(odd.answer)))
            for odd in (*GOOD_ANSWERS, *BAD_ANSWERS)
        }


def _delivered(odd: OddAnswer, target: Target) -> str:
    """Send an image once, and see what becomes of its report at this destination."""
    uid = _image(target)
    deadline = time.monotonic() + 30
    while True:
        rows = target.deliveries(uid, _name(odd))
        detail = str(rows[0].detail or "") if rows else ""
        if odd.refused is None and target.peers[_name(odd)].scp.stored:
            return "the report is stored"
        if odd.refused is not None and odd.refused in detail:
            return detail
        if time.monotonic() > deadline:
            raise NotRight(detail or "no report came, and nothing is said")
        time.sleep(0.1)


def _image(target: Target) -> str:
    """Return the UID of the image whose reports all these destinations get; it is sent the first time."""
    dataset = chest(seed=4711)
    if target.version(dataset.SOPInstanceUID) is None:
        send(target.port, dataset)
    return str(dataset.SOPInstanceUID)


def _quirks() -> Iterator[Quirk]:
    for odd in (*GOOD_ANSWERS, *BAD_ANSWERS):
        right = (
            "the association is used, and the report stored"
            if odd.refused is None
            else "tried again with growing pauses; the detail says what it answered"
        )
        yield Quirk(
            f"destination's answer: {odd.name}",
            "association answer",
            odd.source,
            right,
            partial(_delivered, odd),
            slow=odd.name not in _QUICK,
        )


COLLECTION = Collection("answers", tuple(_quirks()), peers=_peers)
