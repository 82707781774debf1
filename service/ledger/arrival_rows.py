"""What bears on an arrival, in one look, and the rows that each arrival makes: statements that are made once.

A listener does this for every image, and most of them change nothing besides. So it goes without a unit of work, which
would take several times as long to find out what is to be written as the database takes to write it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, exists, insert, join, literal_column, select
from sqlalchemy.orm import Session

from service.ledger.kept_counts import count_arrival
from service.ledger.machine_records import AcquisitionRecord
from service.ledger.order_locks import is_awaited
from service.ledger.order_records import AccessionRecord
from service.ledger.records import EventRecord, InstanceRecord, StudyRecord
from service.ledger.rows import is_latest, says_whose
from service.ledger.shadow import is_shadowed, period_of
from service.ledger.work_item_events import ANY_SUBSCRIPTION
from service.vocabulary.acquisition import Acquisition
from service.vocabulary.event_details import EventFacts
from service.vocabulary.facts import EventKind
from service.vocabulary.identity import Identity
from service.vocabulary.orders import accession_of
from service.vocabulary.states import Priority


class Situation(NamedTuple):
    """What the ledger knows that bears on an arrival.

    Attributes
    ----------
    study_id, closed_at, priority
        Of its study; None where it is the first of it.
    shadow_id
        The period in shadow that it falls into; None for most.
    is_told
        Whether anything of its study came outside shadow.
    alike
        The identity of an image in force of its study with the same Patient ID and issuer; None where there is none.
    has_accession
        Whether its accession number is known to be the study's.
    is_awaited
        Whether an order waits for what it names.
    is_subscribed
        Whether anybody is told of work items.
    """

    study_id: int | None
    closed_at: datetime | None
    priority: int | None
    shadow_id: int | None
    is_told: bool
    alike: dict[str, Any] | None
    has_accession: bool
    is_awaited: bool
    is_subscribed: bool

    def names_patient(self, identity: Identity) -> bool:
        """Return whether an image in force of the study names the very patient that an arrival names."""
        return self.alike is not None and Identity(**self.alike).patient() == identity.patient()


class Version(NamedTuple):
    """A version of an instance that came before."""

    id: int
    version: int
    state: str
    object_key: str
    shadow_id: int | None


_VERSIONS = (
    select(*(getattr(InstanceRecord, name) for name in Version._fields))
    .where(InstanceRecord.sop_instance_uid == bindparam("uid"))
    .order_by(InstanceRecord.version.desc())
)
_OF_STUDY = InstanceRecord.study_id == StudyRecord.id
_LOOK = select(
    StudyRecord.id,
    StudyRecord.closed_at,
    StudyRecord.priority,
    period_of(bindparam("ae_title"), bindparam("machine_id")).scalar_subquery(),
    exists().where(_OF_STUDY, ~is_shadowed()).correlate(StudyRecord),
    select(InstanceRecord.identity)
    .where(
        _OF_STUDY,
        says_whose(InstanceRecord),
        InstanceRecord.patient_digest.is_not_distinct_from(bindparam("patient_digest")),
        is_latest(InstanceRecord),
    )
    .limit(1)
    .correlate(StudyRecord)
    .scalar_subquery(),
    exists()
    .where(AccessionRecord.study_id == StudyRecord.id, AccessionRecord.accession_number == bindparam("accession"))
    .correlate(StudyRecord),
    is_awaited(bindparam("study_uid"), bindparam("accession")),
    exists(ANY_SUBSCRIPTION),
).select_from(
    join(
        select(literal_column("1").label("arrival")).subquery(),
        StudyRecord,
        StudyRecord.study_instance_uid == bindparam("study_uid"),
        isouter=True,
    )
)
_STUDY, _IMAGE, _LINE = insert(StudyRecord), insert(InstanceRecord), insert(EventRecord)
_ACQUISITION, _ACCESSION = insert(AcquisitionRecord), insert(AccessionRecord)


def look(session: Session, identity: Identity, ae_title: str, machine_id: int | None) -> Situation:
    """Return what bears on an arrival; its study and its names are locked."""
    asked = {
        "study_uid": identity.study_instance_uid,
        "ae_title": ae_title.strip(),
        "machine_id": machine_id,
        "patient_digest": identity.patient_digest(),
        "accession": accession_of(identity.accession_number),
    }
    return Situation(*session.connection().execute(_LOOK, asked).one())


def versions_of(session: Session, sop_instance_uid: str) -> Sequence[Version]:
    """Return the versions of an instance, the latest first."""
    return [Version(*row) for row in session.connection().execute(_VERSIONS, {"uid": sop_instance_uid})]


def write_study(session: Session, study_instance_uid: str, at: datetime) -> int:
    """Write a study that comes now, and return its number."""
    values = {
        "study_instance_uid": study_instance_uid,
        "first_received_at": at,
        "reading_rank_at": at,
        "priority": int(Priority.ROUTINE),
    }
    return _written(session, _STUDY, values)


def write_image(session: Session, values: Mapping[str, Any], situation: Situation) -> int:
    """Write a version of an instance, and return its number.

    Parameters
    ----------
    values
        Its columns.
    situation
        As of before it.
    """
    count_arrival(session, values, is_first=situation.study_id is None, is_read=situation.closed_at is not None)
    return _written(session, _IMAGE, values)


def write_line(
    session: Session, instance_id: int, state: str, at: datetime, event: EventKind, facts: EventFacts
) -> None:
    """Write a line of an instance's history, as `service.ledger.rows.record` does of a row."""
    values = {"instance_id": instance_id, "at": at, "event": event.value, "state": state, "facts": facts.stored()}
    session.connection().execute(_LINE, values)


def write_acquisition(session: Session, instance_id: int, acquisition: Acquisition, machine_id: int) -> None:
    """Keep how an image was made, and on which machine."""
    values = {
        "instance_id": instance_id,
        "machine_id": machine_id,
        "view_position": acquisition.view,
        "kvp": acquisition.kvp,
        "kvp_band": acquisition.kvp_band.value,
    }
    session.connection().execute(_ACQUISITION, values)


def write_accession(session: Session, study_id: int, accession_number: str) -> None:
    """Keep that a study has an accession number."""
    session.connection().execute(_ACCESSION, {"study_id": study_id, "accession_number": accession_number})


def _written(session: Session, statement: Any, values: Mapping[str, Any]) -> int:
    key: Any = session.connection().execute(statement, values).inserted_primary_key
    return int(key[0])
