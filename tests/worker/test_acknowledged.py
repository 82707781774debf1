"""Whatever was acknowledged ends in a report, or in a stated reason without one, whatever its bytes are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.intake import AnnouncedInstance, Intake
from service.ledger.records import InstanceRecord, ReportRecord
from service.vocabulary.errors import RefusedObject
from service.vocabulary.states import State
from tests import broken, phantoms
from tests.invariants import Invariant
from tests.worker.conftest import Gateway

SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
    RLELossless,
)
#: What is spliced in: the heads of items and sequences, lengths that lie, and groups that do not belong.
PIECES = (
    broken.ITEM,
    broken.ITEM_END,
    broken.SEQUENCE_END,
    broken.OPEN_ITEM,
    broken.sequence(0x00081140, broken.OPEN_ITEM),
    broken.sequence(0x00081140, b"", 0x7FFFFFFF),
    broken.SIGNATURES,
    broken.NESTED,
    broken.meta(),
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\xff\x7f",
    b"\xff\xd9",
    b"\\",
    b"\x1b$)C",
)
#: Position and length as shares of the data set; the front, where the attributes are, comes up most.
PLACES = st.one_of(st.floats(0, 0.02), st.floats(0, 0.02), st.floats(0, 1))
CHANGES = st.one_of(
    st.tuples(st.just("cut"), PLACES, st.just(b"")),
    st.tuples(st.just("leave out"), PLACES, st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("insert"), PLACES, st.sampled_from(PIECES) | st.binary(min_size=1, max_size=12)),
    st.tuples(st.just("overwrite"), PLACES, st.sampled_from(PIECES) | st.binary(min_size=1, max_size=4)),
    st.tuples(st.just("repeat"), PLACES, st.binary(min_size=1, max_size=400)),
)


def changed(data: bytes, change: tuple[str, float, bytes]) -> bytes:
    how, place, piece = change
    at = int(place * len(data))
    if how == "cut":
        return data[:at]
    if how == "leave out":
        return data[:at] + data[at + len(piece) :]
    if how == "insert":
        return data[:at] + piece + data[at:]
    if how == "overwrite":
        return data[:at] + piece + data[at + len(piece) :]
    return data[: at + len(piece)] + data[at:]


def acknowledged(made: Gateway, data: bytes, uid: str, syntax: str) -> bool:
    """Let the listener's intake take a data set; return whether the peer is told that it is kept."""
    intake = Intake(made.settings, made.store, made.ledger.admission, made.waker)
    image = broken.whole()
    reception = intake.begin(AnnouncedInstance(image.SOPClassUID, uid, image.SOPClassUID, syntax, "MODALITY"))
    reception.write(data)
    try:
        intake.admit(reception)
    except RefusedObject:
        return False
    return True


def settle(made: Gateway) -> None:
    """Let the workers do what is due, until what fails has been tried as often as it may be."""
    for _ in range(made.settings.analysis.maximum_attempts):
        made.infer()
        made.build()
        made.clock.turn(seconds=200)
    made.build()


def assert_each_is_told_of(made: Gateway, uids: list[str]) -> None:
    with Session(made.ledger.engine) as session:
        for uid in uids:
            row = session.scalars(select(InstanceRecord).where(InstanceRecord.sop_instance_uid == uid)).one()
            reports = session.scalars(select(ReportRecord).where(ReportRecord.instance_id == row.id)).all()
            assert not row.reports_due, row.state
            if reports:
                assert row.state in {State.REPORTED, State.OUT_OF_SCOPE, State.FAILED}
            else:
                assert row.state in {State.FAILED, State.OWN}
                assert row.state == State.OWN or row.detail


def check(made: Gateway, images: list[tuple[str, list[tuple[str, float, bytes]]]]) -> None:
    uids = []
    for syntax, changes in images:
        uid = str(generate_uid())
        bits = 12
        data = broken.encoded(phantoms.transcoded(broken.whole(uid, bits), syntax))
        if syntax == DeflatedExplicitVRLittleEndian:
            data = broken.deflated(data)
        for change in changes:
            data = changed(data, change)
        if acknowledged(made, data, uid, syntax):
            uids.append(uid)
    settle(made)
    assert_each_is_told_of(made, uids)


IMAGES = st.lists(
    st.tuples(st.sampled_from(SYNTAXES), st.lists(CHANGES, min_size=1, max_size=4)), min_size=4, max_size=8
)


@pytest.mark.proves(Invariant.ACKNOWLEDGED_IS_TOLD_OF)
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(images=IMAGES)
def test_whatever_was_acknowledged_ends_in_a_report_or_a_stated_reason(gateway: Any, images: Any) -> None:
    check(_only(gateway), images)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(images=IMAGES)
def test_whatever_was_acknowledged_ends_in_a_report_or_a_stated_reason_in_the_long_run(
    gateway: Any, images: Any
) -> None:
    check(_only(gateway), images)


@pytest.mark.proves(Invariant.ACKNOWLEDGED_IS_TOLD_OF)
def test_every_input_that_is_broken_as_real_ones_are_is_told_of(gateway: Any) -> None:
    made: Gateway = gateway()
    uids = []
    for item in broken.inputs()[::7]:
        uid = str(generate_uid())
        assert acknowledged(made, item.encoded(uid), uid, item.syntax), item.name
        uids.append(uid)
    settle(made)
    assert_each_is_told_of(made, uids)


_GATEWAYS: dict[int, Gateway] = {}


def _only(gateway: Any) -> Gateway:
    """Return one gateway for all examples of a test; each sends images of its own."""
    if id(gateway) not in _GATEWAYS:
        _GATEWAYS.clear()
        _GATEWAYS[id(gateway)] = gateway()
    return _GATEWAYS[id(gateway)]
