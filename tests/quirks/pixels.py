"""Radiographs that break a rule of the data set, the pixels or their display."""

from collections.abc import Callable
from functools import partial

from pydicom.uid import generate_uid
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.ledger.records import PredictionRecord
from service.vocabulary.findings import Outcome
from tests import broken
from tests.broken import Broken
from tests.quirks import Collection, NotRight, Quirk
from tests.quirks.target import Target

_ANALYSED = "taken, decoded to the pixels that it has, analysed and reported"
_NOT_ANALYSED = "taken, and reported as not analysed: the pixels cannot be decoded"
#: One of each kind is tried by `make test`; all by `make quirks`.
_QUICK = frozenset(
    {
        "a sequence without delimiters before the patient",
        "a VOI LUT that declares 16 bits and has 12",
        "JPEG 2000 with a comment before EOC",
        "native pixel data that are cut",
    }
)


def _try(made: Broken, target: Target) -> str:
    uid = str(generate_uid())
    status = target.send(made.encoded(uid), uid, transfer_syntax=made.syntax)
    if status != 0x0000:
        raise NotRight(f"refused with 0x{status:04X}")
    row = target.settled(uid)
    reports = target.arrived(uid)
    if not reports:
        raise NotRight(f"{row.state}, and no report has arrived")
    if not made.is_whole:
        if row.reason != "pixels_undecodable":
            raise NotRight(f"{row.state}: {row.reason or 'analysed'}")
        return "reported as not analysed"
    if row.pixel_digest != _right_digest(made):
        raise NotRight(f"{row.state}, {row.reason or 'with other pixels'}")
    _require_result(target, row.id)
    return f"reported with {len(reports)} objects"


def _right_digest(made: Broken) -> str:
    from service.dicom.pixels import pixel_digest
    from tests import phantoms

    return pixel_digest(phantoms.transcoded(broken.whole(bits=made.bits), made.syntax))


def _require_result(target: Target, instance_id: int) -> None:
    with Session(target.gateway.ledger.engine) as session:
        found = session.scalars(select(PredictionRecord).where(PredictionRecord.instance_id == instance_id)).first()
        if found is None or found.outcome == Outcome.NOT_ANALYSED.value:
            raise NotRight("not analysed")


def _quirk(made: Broken) -> Quirk:
    right = _ANALYSED if made.is_whole else _NOT_ANALYSED
    run: Callable[[Target], str] = partial(_try, made)
    return Quirk(made.name, made.kind, made.source, right, run, slow=made.name not in _QUICK)


COLLECTION = Collection("pixels", tuple(map(_quirk, broken.inputs())))
