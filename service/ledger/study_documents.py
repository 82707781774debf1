"""The documents that tell of a whole study: which rows of the outbox are about them."""

from sqlalchemy import Select, select

from service.ledger.records import DeliveryRecord, InstanceRecord, ReportRecord
from service.vocabulary.report_kinds import STUDY_KINDS

#: The condition on reports that tell of a whole study, whichever image they were built for.
OF_STUDY = ReportRecord.kind.in_([kind.value for kind in STUDY_KINDS])


def document_deliveries(study_id: int) -> Select[DeliveryRecord]:
    """Return the rows of the outbox of the documents about a study."""
    return (
        select(DeliveryRecord)
        .join(ReportRecord)
        .join(InstanceRecord)
        .where(InstanceRecord.study_id == study_id, OF_STUDY)
    )
