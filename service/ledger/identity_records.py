"""The rows of who is signed in, of the tokens of programs, and of the key of the page's own forms."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from service.ledger.record_base import Record


class SignInRecord(Record):
    """One session of a person at the page; its token is in that person's browser alone."""

    __tablename__ = "sign_ins"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_digest: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(128), index=True)
    roles: Mapped[list[str]]
    way: Mapped[str] = mapped_column(String(16))
    #: What it rests on besides, such as the password's hash: another one ends it.
    credential: Mapped[str] = mapped_column(String(64))
    signed_in_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime]


class ApiTokenRecord(Record):
    """A token by which a program asks; only its digest is kept."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_digest: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(128))
    roles: Mapped[list[str]]
    created_by: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class SiteKeyRecord(Record):
    """A secret that every process of the site has, and nobody else."""

    __tablename__ = "site_keys"

    purpose: Mapped[str] = mapped_column(String(32), primary_key=True)
    key: Mapped[str] = mapped_column(String(64))
