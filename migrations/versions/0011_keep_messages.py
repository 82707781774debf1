"""Keep messages: what happened, and to whom it is to be told."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

import service.ledger.moment

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_OPEN = sa.text("next_attempt_at IS NOT NULL")


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, service.ledger.moment.Moment(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Apply this step."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "messages",
        sa.Column("id", number, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", number, nullable=False),
        sa.Column("lease_owner", sa.String(length=100), nullable=True),
        _moment("lease_until", nullable=True),
        _moment("timed_at", nullable=True),
        sa.Column("message_id", sa.String(length=20), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("study_id", number, nullable=False),
        sa.Column("instance_id", number, nullable=False),
        sa.Column("priority", number, nullable=False),
        sa.Column("priority_source", sa.String(length=64), nullable=False),
        sa.Column("supersession", sa.String(length=32), nullable=True),
        _moment("occurred_at"),
        _moment("created_at"),
        _moment("next_attempt_at", nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        _moment("confirmed_at", nullable=True),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_messages_study_id")),
        sa.ForeignKeyConstraint(["instance_id"], ["instances.id"], name=op.f("fk_messages_instance_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("message_id", name=op.f("uq_messages_message_id")),
    )
    op.create_index("ix_messages_instance_id", "messages", ["instance_id"])
    op.create_index("ix_messages_study_id_destination", "messages", ["study_id", "destination"])
    op.create_index(
        "ix_messages_open",
        "messages",
        ["destination", "next_attempt_at"],
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )


def downgrade() -> None:
    """Take this step back."""
    op.drop_table("messages")
