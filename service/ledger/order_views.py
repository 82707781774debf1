"""What is shown of what a RIS said of an order: plain values, detached from the database."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.ledger.order_records import OrderRecord
from service.vocabulary.orders import OrderEvent, OrderProblem, OrderState
from service.vocabulary.states import Priority


@dataclass(frozen=True)
class OrderView:
    """What one message said of one order, and what came of it; texts are empty where it does not say.

    Attributes
    ----------
    problem
        Why it is not used; None where it is.
    """

    event: OrderEvent
    heard_at: datetime
    sender: str
    message_id: str
    state: OrderState
    problem: OrderProblem | None
    priority: Priority | None
    indication: str
    patient_class: str


def _view(row: OrderRecord) -> OrderView:
    """Return what is shown of what was said.

    Of what is not used, whose it is is doubtful: neither indication nor patient class is told.
    """
    is_used = row.state == OrderState.USED.value
    return OrderView(
        event=OrderEvent(row.event),
        heard_at=row.heard_at,
        sender=row.sender,
        message_id=row.message_id,
        state=OrderState(row.state),
        problem=OrderProblem(row.problem) if row.problem is not None else None,
        priority=Priority(row.priority) if row.priority is not None else None,
        indication=row.indication if is_used else "",
        patient_class=row.patient_class if is_used else "",
    )


def orders_of(session: Session, study_id: int) -> tuple[OrderView, ...]:
    """Return what was said that was used for a study, or not used for it, in the order in which it was heard."""
    said = select(OrderRecord).where(OrderRecord.study_id == study_id).order_by(OrderRecord.id)
    return tuple(_view(row) for row in session.scalars(said))
