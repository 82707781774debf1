"""What is locked before an order is used: names first, then studies in the order of their numbers.

Who hears of a study waits for whom receives it, so that neither misses the other. Several studies share an accession
number, and a study may have several: two who locked studies one by one, as they find them, would wait in a circle.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    Select,
    String,
    any_,
    bindparam,
    exists,
    func,
    or_,
    select,
    true,
    union,
)
from sqlalchemy.orm import Session

from service.ledger import keys
from service.ledger.leases import LOCK
from service.ledger.order_records import AccessionRecord, OrderRecord
from service.ledger.records import StudyRecord
from service.vocabulary.orders import OrderState, accession_of

#: Studies of one accession number that are looked at.
MOST_STUDIES = 20


def _is_open() -> ColumnElement[bool]:
    return OrderRecord.state.in_([OrderState.WAITING.value, OrderState.NOT_USED.value])


def _locked(*numbers: Select[int]) -> Select[int]:
    """Return the statement that looks numbers of studies up, and then locks these studies in their order."""
    found = func.array(union(*numbers).scalar_subquery())
    studies = select(StudyRecord.id).where(StudyRecord.id == any_(found))
    return studies.order_by(StudyRecord.id).with_for_update(**LOCK)


_UIDS, _ACCESSION_NUMBERS = (bindparam(name, type_=ARRAY(String())) for name in ("uids", "accession_numbers"))
_ACCESSIONS = func.unnest(_ACCESSION_NUMBERS).table_valued("number").render_derived()
_OF_ACCESSION = (
    select(AccessionRecord.study_id)
    .where(AccessionRecord.accession_number == _ACCESSIONS.c.number)
    .order_by(AccessionRecord.study_id)
    .limit(MOST_STUDIES)
    .lateral()
)
_NAMED = (
    select(StudyRecord.id).where(StudyRecord.study_instance_uid == any_(_UIDS)),
    select(_OF_ACCESSION.c.study_id).select_from(_ACCESSIONS.join(_OF_ACCESSION, true())),
)
#: Locks studies of some UIDs and accession numbers.
_MEANT = _locked(*_NAMED)
#: Locks those, and the studies that an order names besides which waits for one of these UIDs or accession numbers.
_AWAITED = _locked(
    *_NAMED,
    select(StudyRecord.id)
    .join(OrderRecord, OrderRecord.study_instance_uid == StudyRecord.study_instance_uid)
    .where(
        _is_open(),
        (OrderRecord.study_instance_uid == any_(_UIDS)) | (OrderRecord.accession_number == any_(_ACCESSION_NUMBERS)),
    ),
)


def lock_heard(session: Session, named: Iterable[tuple[str, str]]) -> None:
    """Lock what orders name, by Study Instance UID and accession number, until the transaction ends."""
    uids, accessions = ({name for name in names if name} for names in zip(*named, strict=True))
    _lock_names(session, uids | accessions)
    _lock_studies(session, _MEANT, uids, accessions)


def lock_arrival(session: Session, study_instance_uid: str, accession_number: str) -> None:
    """Lock what an image names, and every study that an order may be of which waits for it."""
    if _has_all_locked(session):
        return
    _lock_awaited(session, study_instance_uid, {accession_number} if accession_number else set())


def lock_release(session: Session, study_instance_uid: str) -> None:
    """Lock what a study that a person lets go is named by, and every study that an order of these names may be of."""
    _lock_awaited(session, study_instance_uid, accessions_of(session, study_instance_uid))


def waits_for(study_instance_uid: str, accession_numbers: Collection[str]) -> ColumnElement[bool]:
    """Return the condition on orders that a study of these names may be awaited by."""
    named: list[ColumnElement[bool]] = [OrderRecord.study_instance_uid == study_instance_uid]
    if accession_numbers:
        named.append(OrderRecord.accession_number.in_(accession_numbers))
    return _is_open() & or_(*named)


def is_awaited(study_instance_uid: BindParameter[str], accession_number: BindParameter[str]) -> ColumnElement[bool]:
    """Return the condition that an order waits for what an image names; an accession number may be empty."""
    row = OrderRecord
    is_named = (row.accession_number == accession_number) & (row.accession_number != "")
    return exists().where(_is_open(), (row.study_instance_uid == study_instance_uid) | is_named)


def accessions_of(session: Session, study_instance_uid: str) -> set[str]:
    """Return the accession numbers of a study; an earlier version kept placeholders too."""
    named = select(AccessionRecord.accession_number).join(StudyRecord, StudyRecord.id == AccessionRecord.study_id)
    found = session.scalars(named.where(StudyRecord.study_instance_uid == study_instance_uid))
    return set(filter(accession_of, found))


def studies_of(session: Session, accession_number: str) -> Sequence[int]:
    """Return the numbers of the studies of an accession number, the first of them; of a placeholder there is none."""
    if not accession_of(accession_number):
        return ()
    row = AccessionRecord
    of_accession = select(row.study_id).where(row.accession_number == accession_number)
    return session.scalars(of_accession.order_by(row.study_id).limit(MOST_STUDIES)).all()


def _lock_awaited(session: Session, study_instance_uid: str, accession_numbers: Collection[str]) -> None:
    _lock_names(session, {study_instance_uid, *accession_numbers})
    _lock_studies(session, _AWAITED, {study_instance_uid}, accession_numbers)


def _lock_names(session: Session, names: Collection[str]) -> None:
    keys.lock(session, *(hashlib.sha256(f"order {name}".encode()).hexdigest() for name in sorted(names)))


def _lock_studies(
    session: Session, which: Select[int], uids: Collection[str], accession_numbers: Collection[str]
) -> None:
    if not _has_all_locked(session):
        asked = {"uids": [*uids], "accession_numbers": [*filter(accession_of, accession_numbers)]}
        session.connection().execute(which, asked)


def _has_all_locked(session: Session) -> bool:
    """Return whether a transaction that writes has everything locked already, as it has on SQLite."""
    return session.get_bind().dialect.name != "postgresql"
