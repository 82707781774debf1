"""The tokens by which programs ask: shown once, kept as digests, each with its roles and its end."""

import hashlib
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, select

from service.ledger.database import reading, writing
from service.ledger.identity_records import ApiTokenRecord
from service.process.clock import Clock
from service.vocabulary.errors import LedgerUnavailable
from service.vocabulary.roles import Role, roles_of

#: What each begins with, so that a scanner for secrets knows one when it finds it.
PREFIX = "auscult_"
_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class ApiToken:
    """A token, without what only its program knows."""

    number: int
    name: str
    roles: frozenset[Role]
    created_by: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


class ApiTokens:
    """The tokens of all programs."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def create(self, name: str, roles: frozenset[Role], by: str, lasts: timedelta) -> str:
        """Return a new token for a program; nobody can look it up later."""
        token, now = PREFIX + secrets.token_urlsafe(32), self._clock()
        with writing(self._engine) as session:
            session.add(
                ApiTokenRecord(
                    token_digest=_digest(token),
                    name=name,
                    roles=sorted(roles),
                    created_by=by,
                    created_at=now,
                    expires_at=now + lasts,
                )
            )
        return token

    def find(self, token: str) -> ApiToken | None:
        """Return what a token is, unless it has ended or was revoked."""
        now = self._clock()
        with reading(self._engine) as session:
            row = session.scalar(select(ApiTokenRecord).where(ApiTokenRecord.token_digest == _digest(token)))
            if row is None or row.revoked_at is not None or row.expires_at <= now:
                return None
            found = _token(row)
        if found.used_at is None or now - found.used_at > _NOTED_EVERY:
            # A disk that is full keeps no program out.
            with suppress(LedgerUnavailable), writing(self._engine) as session:
                session.get_one(ApiTokenRecord, found.number).used_at = now
        return found

    def revoke(self, number: int) -> bool:
        """End a token now; return whether there was one to end."""
        with writing(self._engine) as session:
            row = session.get(ApiTokenRecord, number)
            if row is None or row.revoked_at is not None:
                return False
            row.revoked_at = self._clock()
            return True

    def all(self) -> Sequence[ApiToken]:
        """Return every token that there ever was, the newest first."""
        with reading(self._engine) as session:
            return [_token(row) for row in session.scalars(select(ApiTokenRecord).order_by(ApiTokenRecord.id.desc()))]


def _token(row: ApiTokenRecord) -> ApiToken:
    return ApiToken(
        row.id,
        row.name,
        roles_of(row.roles),
        row.created_by,
        row.created_at,
        row.expires_at,
        row.used_at,
        row.revoked_at,
    )


def _digest(token: str) -> str:
    # 256 bits of chance need no slow hash: nobody guesses them.
    return hashlib.sha256(token.encode()).hexdigest()
