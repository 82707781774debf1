"""A new version of an image that is not new bytes: a person wants something else to be said of the same ones."""

from datetime import datetime

from service.ledger.records import InstanceRecord
from service.vocabulary.states import State


def with_same_bytes(row: InstanceRecord, version: int, state: State, now: datetime) -> InstanceRecord:
    """Return a new version with the bytes of another; it waits its turn behind what arrived before now."""
    return InstanceRecord(
        study_id=row.study_id,
        sop_instance_uid=row.sop_instance_uid,
        version=version,
        series_instance_uid=row.series_instance_uid,
        sop_class_uid=row.sop_class_uid,
        transfer_syntax_uid=row.transfer_syntax_uid,
        identity=row.identity,
        identity_digest=row.identity_digest,
        patient_digest=row.patient_digest,
        object_key=row.object_key,
        object_size=row.object_size,
        object_removed_at=row.object_removed_at,
        calling_ae_title=row.calling_ae_title,
        order_priority=row.order_priority,
        shadow_id=row.shadow_id,
        state=state.value,
        received_at=now,
        rank_at=now,
    )
