"""The statuses of a C-STORE response and of the Store transaction, from the errors that carry them."""

import inspect
from collections.abc import Iterator
from typing import TypeVar

from docs.tables import table
from service.vocabulary.errors import AuscultError, RefusedObject, Unavailable

_Error = TypeVar("_Error", bound=AuscultError)

_MEANINGS = (
    (0x0122, 0x0122, "Store transaction only: SOP class not supported"),
    (0xC122, 0xC122, "Store transaction only: transfer syntax not supported"),
    (0xA700, 0xA7FF, "Refused: out of resources"),
    (0xA900, 0xA9FF, "Error: data set does not match SOP class"),
    (0xC000, 0xCFFF, "Error: cannot understand"),
)


def answers() -> list[tuple[int, type[AuscultError]]]:
    """Return each status with an error that carries it, in order of the status."""
    errors: list[type[RefusedObject | Unavailable]] = [*_subclasses(RefusedObject), *_subclasses(Unavailable)]
    return sorted(((error.status, error) for error in errors), key=lambda item: (item[0], item[1].__name__))


def statuses() -> str:
    """Return the statuses, the standard's name of each, and ours."""
    rows = [("`0x0000`", "Success", "", "The bytes and the row in the ledger are durable.")]
    for status, error in answers():
        rows.append((f"`0x{status:04X}`", _meaning(status), f"`{error.__name__}`", inspect.getdoc(error) or ""))
    return table(("status", "PS3.4 Table B.2-1, PS3.18 Table I.2-2", "error", "what happened"), rows)


def _subclasses(error: type[_Error]) -> Iterator[type[_Error]]:
    for subclass in error.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _meaning(status: int) -> str:
    return next(meaning for first, last, meaning in _MEANINGS if first <= status <= last)
