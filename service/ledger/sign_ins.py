"""Who is signed in at the page: sessions that any of its processes knows, and that end here and not in a browser."""

import hashlib
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, select

from service.ledger.database import reading, writing
from service.ledger.identity_records import SignInRecord
from service.process.clock import Clock
from service.vocabulary.errors import LedgerUnavailable
from service.vocabulary.roles import Role, SignInWay, roles_of

#: How much older the noted moment of the last use may be than the true one: not every look at a page writes a row.
_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class SignedIn:
    """A session.

    Attributes
    ----------
    credential
        What it rests on besides the token, to compare; empty where nothing can change.
    """

    number: int
    name: str
    roles: frozenset[Role]
    way: SignInWay
    credential: str
    signed_in_at: datetime
    used_at: datetime


@dataclass(frozen=True)
class Lasting:
    """How long a session lasts: so long without use, and so long at most."""

    idle: timedelta = timedelta(hours=1)
    longest: timedelta = timedelta(hours=12)


class SignIns:
    """The sessions of all people."""

    def __init__(self, engine: Engine, clock: Clock, lasting: Lasting) -> None:
        self._engine = engine
        self._clock = clock
        self._idle = lasting.idle
        self._longest = lasting.longest

    def begin(self, name: str, roles: frozenset[Role], way: SignInWay, credential: str = "") -> str:
        """Return the token of a new session: 256 bits that nobody brought along; what has ended is removed."""
        token, now = secrets.token_urlsafe(32), self._clock()
        with writing(self._engine) as session:
            session.execute(delete(SignInRecord).where(SignInRecord.signed_in_at < now - self._longest))
            session.add(
                SignInRecord(
                    token_digest=_digest(token),
                    name=name,
                    roles=sorted(roles),
                    way=way.value,
                    credential=credential,
                    signed_in_at=now,
                    used_at=now,
                )
            )
        return token

    def find(self, token: str, *, is_use: bool) -> SignedIn | None:
        """Return the session of a token, unless it has ended.

        Parameters
        ----------
        is_use
            Whether a person did something, and not a page by itself.
        """
        now = self._clock()
        with reading(self._engine) as session:
            row = session.scalar(select(SignInRecord).where(SignInRecord.token_digest == _digest(token)))
            if row is None or now - row.signed_in_at > self._longest or now - row.used_at > self._idle:
                return None
            found = _session(row)
        if is_use and now - found.used_at > min(_NOTED_EVERY, self._idle / 4):
            # A disk that is full keeps nobody out who is signed in.
            with suppress(LedgerUnavailable), writing(self._engine) as session:
                used = session.get(SignInRecord, found.number)
                if used is not None:
                    used.used_at = now
        return found

    def end(self, token: str) -> None:
        """End the session of a token, wherever it is used."""
        with writing(self._engine) as session:
            session.execute(delete(SignInRecord).where(SignInRecord.token_digest == _digest(token)))

    def end_all(self, name: str) -> int:
        """End every session of a name; return how many there were."""
        with writing(self._engine) as session:
            ended = session.scalars(select(SignInRecord).where(SignInRecord.name == name)).all()
            for row in ended:
                session.delete(row)
            return len(ended)

    def current(self) -> Sequence[SignedIn]:
        """Return the sessions that have not ended, the one that was used last first."""
        now = self._clock()
        with reading(self._engine) as session:
            rows = session.scalars(
                select(SignInRecord)
                .where(SignInRecord.signed_in_at >= now - self._longest, SignInRecord.used_at >= now - self._idle)
                .order_by(SignInRecord.used_at.desc(), SignInRecord.id.desc())
            )
            return [_session(row) for row in rows]


def _session(row: SignInRecord) -> SignedIn:
    return SignedIn(
        row.id,
        row.name,
        roles_of(row.roles),
        SignInWay(row.way),
        row.credential,
        row.signed_in_at,
        row.used_at,
    )


def _digest(token: str) -> str:
    # 256 bits of chance need no slow hash: nobody guesses them.
    return hashlib.sha256(token.encode()).hexdigest()
