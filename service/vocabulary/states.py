"""What can become of an instance and of a delivery, and which steps are legal."""

from enum import IntEnum, StrEnum

from service.vocabulary.errors import IllegalTransition


class State(StrEnum):
    """The state of one version of a received instance."""

    RECEIVED = "received"
    """Durable and acknowledged; waits for a worker."""
    CLAIMED = "claimed"
    """A worker holds it under a lease."""
    INFERRED = "inferred"
    """The prediction is saved; its reports are due."""
    OUT_OF_SCOPE = "out of scope"
    """Not analysed, for a recorded reason; a report that says so may be due."""
    REPORTED = "reported"
    """The reports are built and stand in the outbox."""
    DELIVERED = "delivered"
    """Every destination confirmed every report, took it and is not asked or cannot say, or was given up by a person."""
    FAILED = "failed"
    """Analysis or delivery gave up; the reason is recorded, `auscult retry` starts it again."""
    DUPLICATE = "duplicate"
    """The same pixels and identity were received before; nothing new to do."""
    HELD = "held"
    """Contradicts another patient's instance of the same UID; nothing is sent until a person decides."""
    SUPERSEDED = "superseded"
    """A later version of the same instance took its place."""
    OWN = "own"
    """An object that auscult itself made, forwarded back by a PACS; recorded, never analysed."""


#: Which state may follow which. A new instance starts RECEIVED, OUT_OF_SCOPE (not an image, or a result that a
#: person disagreed with) or OWN.
TRANSITIONS: dict[State, frozenset[State]] = {
    State.RECEIVED: frozenset({State.CLAIMED, State.SUPERSEDED}),
    State.CLAIMED: frozenset(
        {State.RECEIVED, State.INFERRED, State.OUT_OF_SCOPE, State.FAILED, State.DUPLICATE, State.HELD}
    ),
    State.INFERRED: frozenset({State.REPORTED, State.FAILED, State.SUPERSEDED}),
    State.OUT_OF_SCOPE: frozenset({State.SUPERSEDED}),
    State.REPORTED: frozenset({State.DELIVERED, State.FAILED, State.SUPERSEDED}),
    State.DELIVERED: frozenset({State.REPORTED, State.FAILED, State.SUPERSEDED}),
    State.FAILED: frozenset({State.RECEIVED, State.INFERRED, State.REPORTED, State.SUPERSEDED}),
    State.DUPLICATE: frozenset(),
    State.HELD: frozenset({State.RECEIVED}),
    State.SUPERSEDED: frozenset(),
    State.OWN: frozenset(),
}


def require_legal(before: State, after: State) -> None:
    """Raise unless an instance may go from one state to another.

    Raises
    ------
    IllegalTransition
        When `TRANSITIONS` does not hold the step.
    """
    if after not in TRANSITIONS[before]:
        raise IllegalTransition(f"an instance that is {before.value} cannot become {after.value}")


class DeliveryState(StrEnum):
    """The state of one object, or message, on its way to one destination: one row of an outbox."""

    PENDING = "pending"
    """Waits for its first or next attempt."""
    SENT = "sent"
    """The destination answered the C-STORE with success or a warning."""
    CONFIRMED = "confirmed"
    """The destination says that it holds the object, or that it took the message."""
    UNCONFIRMABLE = "unconfirmable"
    """Sent; the destination cannot be asked whether it holds the object, or fails to say."""
    DEAD = "dead"
    """Given up; `auscult retry` makes it pending again."""
    ABANDONED = "abandoned"
    """Given up by a person, who has taken the destination away (`auscult abandon`); not sent any more."""
    WITHDRAWN = "withdrawn"
    """Superseded before it was sent, or sent, superseded and then missing, or without content; not sent any more."""


#: States of what is not to be sent any more, though a courier may just be sending it.
CALLED_OFF = (DeliveryState.WITHDRAWN, DeliveryState.ABANDONED)


class CommitmentState(StrEnum):
    """The state of a storage commitment that a peer asks of us."""

    WAITING = "waiting"
    """Recorded and acknowledged; the peer waits for our answer."""
    ANSWERED = "answered"
    """The peer took our answer."""
    DEAD = "dead"
    """The peer could not be told within `delivery.give_up_after`; `auscult retry` tries again."""


class Priority(IntEnum):
    """Reading priority; a greater value is read earlier, and nothing lowers one."""

    ROUTINE = 0
    URGENT = 1
    STAT = 2
