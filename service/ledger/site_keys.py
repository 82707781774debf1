"""Secrets that all processes of a site share: with one, a form of one page process is taken by another."""

import secrets
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects import postgresql, sqlite

from service.ledger.database import reading, writing
from service.ledger.identity_records import SiteKeyRecord

_INSERT: dict[str, Callable[..., Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class SiteKeys:
    """The site's secrets by purpose; each is made when it is first wanted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, bytes] = {}

    def of(self, purpose: str) -> bytes:
        """Return the key of a purpose: 32 bytes.

        Raises
        ------
        LedgerUnavailable
            When the database cannot be reached.
        """
        if purpose not in self._known:
            with reading(self._engine) as session:
                row = session.get(SiteKeyRecord, purpose)
            if row is None:
                made = _INSERT[self._engine.dialect.name](SiteKeyRecord).values(
                    purpose=purpose, key=secrets.token_hex(32)
                )
                with writing(self._engine) as session:
                    # Two processes may make one at the same moment: the first one's holds.
                    session.execute(made.on_conflict_do_nothing(index_elements=["purpose"]))
                    row = session.get_one(SiteKeyRecord, purpose)
                    self._known[purpose] = bytes.fromhex(row.key)
            else:
                self._known[purpose] = bytes.fromhex(row.key)
        return self._known[purpose]
