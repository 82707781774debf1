"""Group commit: who gets the turn to write takes along whatever waits for it, in one transaction.

A commit waits for the disk, and on SQLite all who write wait for one another: so most of those that come at once would
wait for every commit before theirs. Nobody is told of a row before the commit that holds it has returned.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.ledger.database import takes_turns, writing
from service.vocabulary.errors import LedgerUnavailable

_ATTEMPTS = 5

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class _Waiting(Generic[T, R]):
    item: T
    result: "Future[R]" = field(default_factory=Future)


class GroupCommit(Generic[T, R]):
    """Writes items, each whole or not at all.

    Parameters
    ----------
    write
        Writes one, within a transaction of the caller. It looks at what is there, so that it may be called again.
    """

    def __init__(self, engine: Engine, write: Callable[[Session, T], R]) -> None:
        self._engine = engine
        self._write = write
        self._changed = threading.Condition()
        self._is_writing = False
        self._queue: list[_Waiting[T, R]] = []

    def write(self, item: T) -> R:
        """Write an item; durable on return.

        Raises
        ------
        LedgerUnavailable
            When the database cannot take it.
        Exception
            Whatever writing this item raises; it keeps none of the others out.
        """
        try:
            return self._result(item)
        except IntegrityError:
            raise LedgerUnavailable("the database refuses the row time and again; check its integrity") from None

    def _result(self, item: T) -> R:
        # Elsewhere the database lets several write at once, and two groups would wait for each other in a circle.
        if not takes_turns(self._engine):
            return self._alone(item)
        mine = _Waiting[T, R](item)
        with self._changed:
            self._queue.append(mine)
            self._changed.wait_for(lambda: mine.result.done() or not self._is_writing)
            if mine.result.done():
                return mine.result.result()
            self._is_writing, group = True, self._taken()
        try:
            self._together(group)
        finally:
            for one in group:
                if not one.result.done():  # whatever ends this thread leaves nobody waiting
                    one.result.set_exception(LedgerUnavailable())
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
        return mine.result.result()

    def _taken(self) -> list[_Waiting[T, R]]:
        taken, self._queue = self._queue, []
        return taken

    def _together(self, group: list[_Waiting[T, R]]) -> None:
        """Write several in one transaction; where that fails, each in one of its own."""
        try:
            if len(group) == 1 or not self._in_one(group):
                for one in group:
                    self._settle_alone(one)
        except LedgerUnavailable as error:
            # Those that came meanwhile are told as well: nobody waits twice for a database that does not answer.
            with self._changed:
                group += self._taken()
            for one in group:
                if not one.result.done():
                    one.result.set_exception(error)

    def _in_one(self, group: list[_Waiting[T, R]]) -> bool:
        """Return whether a group could be written in one transaction."""
        try:
            with writing(self._engine) as session:
                written = [self._written(session, one.item) for one in group]
        except LedgerUnavailable:
            raise
        except Exception:  # noqa: BLE001 - whose it is turns out where each is written alone
            return False
        for one, result in zip(group, written, strict=True):
            one.result.set_result(result)
        return True

    def _written(self, session: Session, item: T) -> R:
        result = self._write(session, item)
        session.flush()  # the next one looks at what is there
        return result

    def _settle_alone(self, one: _Waiting[T, R]) -> None:
        try:
            one.result.set_result(self._alone(one.item))
        except LedgerUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - raised where its result is awaited
            one.result.set_exception(error)

    def _alone(self, item: T, attempts: int = _ATTEMPTS) -> R:
        try:
            with writing(self._engine) as session:
                return self._write(session, item)
        except IntegrityError:
            if attempts == 1:
                raise
        # Another process wrote the same study or the same instance a moment ago: look again.
        return self._alone(item, attempts - 1)
