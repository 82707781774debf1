"""What becomes of an item that could not be handled: one ladder for every queue."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.process.log import get_logger
from service.vocabulary.errors import (
    AuscultError,
    LeaseLost,
    PermanentDeliveryFailure,
    TransientDeliveryFailure,
    Unavailable,
)

log = get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Ladder(Generic[T]):
    """Handles items of one queue; whatever happens to one of them keeps no other from its turn.

    Attributes
    ----------
    name
        What log lines call an item.
    unavailable
        A resource is away, store or ledger: the item is put off, and this was no attempt at it.
    unexpected
        Nobody thought of this error.
    transient
        The peer could not take it for now: worth another try.
    permanent
        Another try would fail alike.
    """

    name: Callable[[T], str]
    unavailable: Callable[[T, Unavailable], None]
    unexpected: Callable[[T, Exception], None]
    transient: Callable[[T, TransientDeliveryFailure], None] | None = None
    permanent: Callable[[T, PermanentDeliveryFailure], None] | None = None

    def attempt(self, item: T, act: Callable[[], None]) -> Exception | None:
        """Handle an item; return what kept it from being handled, once that is recorded."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - one bad item must not keep the others back
            self.record(item, error)
            return error
        return None

    def record(self, item: T, error: Exception) -> None:
        """Record what kept an item from being handled, from the mildest error to the gravest."""
        try:
            match error:
                # Whoever has it now records what becomes of it.
                case LeaseLost():
                    log.warning("%s was settled or taken over meanwhile", self.name(item))
                case Unavailable():
                    self.unavailable(item, error)
                case TransientDeliveryFailure() if self.transient is not None:
                    self.transient(item, error)
                case PermanentDeliveryFailure() if self.permanent is not None:
                    self.permanent(item, error)
                # Also a failure for which this queue has no step of its own.
                case _:
                    self.unexpected(item, error)
        except (LeaseLost, Unavailable) as later:
            # Its lease ends by itself, and then it is due to whoever is alive.
            log.warning("what became of %s was not saved: %s", self.name(item), later)


def in_words(error: Exception) -> str:
    """Return what may be told of an error: text of our own, or its type alone, for its text may quote a data set."""
    return str(error) if isinstance(error, AuscultError) else type(error).__name__
