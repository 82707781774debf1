"""The log of a period: every event and every result of an image, as values that another program reads.

References
----------
Regulation (EU) 2024/1689 (AI Act), articles 12 and 26(6): deployers keep the logs for six months at least.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, select

from service.ledger.database import reading
from service.ledger.records import EventRecord, InstanceRecord, PredictionRecord, StudyRecord

_AT_ONCE = 500
_RESULT = (
    "outcome",
    "probabilities",
    "operating_point",
    "lower",
    "upper",
    "prevalence",
    "checkpoint_name",
    "checkpoint_version",
    "checkpoint_digest",
    "calibration_digest",
    "input_digest",
)


class LogExport:
    """Reads the log; there are UIDs in it and who did something, and neither patients' names nor pixels."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def lines(self, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
        """Yield what happened from one moment until another: the events, then the results, each in their order."""
        of = (InstanceRecord.sop_instance_uid, InstanceRecord.version, StudyRecord.study_instance_uid)
        with reading(self._engine) as session:
            tables: tuple[tuple[Any, Any, Callable[[Any], dict[str, Any]]], ...] = (
                (EventRecord, EventRecord.at, _event),
                (PredictionRecord, PredictionRecord.created_at, _result),
            )
            for record, moment, told in tables:
                wanted = (
                    select(record, *of)
                    .join(InstanceRecord, InstanceRecord.id == record.instance_id)
                    .join(StudyRecord, StudyRecord.id == InstanceRecord.study_id)
                    .where(moment >= since, moment < until)
                    .order_by(moment, record.id)
                    .execution_options(yield_per=_AT_ONCE)
                )
                for row, sop_instance_uid, version, study_instance_uid in session.execute(wanted):
                    yield {
                        **told(row),
                        "study_instance_uid": study_instance_uid,
                        "sop_instance_uid": sop_instance_uid,
                        "version": version,
                    }


def _event(row: EventRecord) -> dict[str, Any]:
    return {"kind": "event", "at": row.at.isoformat(), "event": row.event, "state": row.state, "facts": row.facts}


def _result(row: PredictionRecord) -> dict[str, Any]:
    return {"kind": "result", "at": row.created_at.isoformat(), **{name: getattr(row, name) for name in _RESULT}}
