"""The other studies of a study's patient; never another's."""

from sqlalchemy import Engine, select

from service.ledger.database import reading
from service.ledger.inspection import study_views
from service.ledger.kept_counts import SILENT, is_listed
from service.ledger.records import InstanceRecord, StudyRecord
from service.ledger.shadow import has_shadowed
from service.ledger.views import StudyView

#: Studies that are shown.
_MOST = 20


class Priors:
    """Finds what a reader compares a study with."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, study: StudyView) -> tuple[StudyView, ...]:
        """Return the patient's other studies, the newest first; none of a study whose patient is in doubt.

        Patient ID and issuer say whose they are; one whose name and birth date both contradict is left out, as is one
        on hold.
        """
        patients = {view.identity.patient_digest() for view in study.instances}
        if study.hold is not None or len(patients) != 1 or None in patients:
            return ()
        row = InstanceRecord
        theirs = select(row.study_id).where(
            row.patient_digest.in_(patients), row.state.not_in(SILENT), row.shadow_id.is_(None)
        )
        with reading(self._engine) as session:
            rows = session.scalars(
                select(StudyRecord)
                .where(StudyRecord.id.in_(theirs), StudyRecord.id != study.id, StudyRecord.held_reason.is_(None))
                .where(is_listed() | ~has_shadowed())
                .order_by(StudyRecord.first_received_at.desc(), StudyRecord.id.desc())
                .limit(_MOST)
            ).all()
            found = study_views(session, rows)
        return tuple(other for other in found if _is_same_patient(study, other))


def _is_same_patient(study: StudyView, other: StudyView) -> bool:
    """Return whether every image of both studies can be of one patient, by ID and issuer alike."""
    return all(
        one.identity.same_patient(view.identity) and one.identity.patient_digest() == view.identity.patient_digest()
        for one in study.instances
        for view in other.instances
    )
