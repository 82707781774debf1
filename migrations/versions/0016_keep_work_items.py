"""Keep work items: who reads which study, and who is told of it."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

import service.ledger.moment

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_CLAIMED = sa.text("claimed_until IS NOT NULL")
_OPEN = sa.text("next_attempt_at IS NOT NULL")


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, service.ledger.moment.Moment(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Apply this step."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "work_items",
        sa.Column("id", number, nullable=False),
        sa.Column("study_id", number, nullable=False),
        sa.Column("number", number, nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        _moment("created_at"),
        sa.Column("transaction_uid", sa.String(length=64), nullable=True),
        sa.Column("performer", sa.String(length=16), nullable=True),
        _moment("claimed_at", nullable=True),
        _moment("claimed_until", nullable=True),
        _moment("ended_at", nullable=True),
        sa.Column("performed", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_work_items_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_items")),
        sa.UniqueConstraint("study_id", "number", name=op.f("uq_work_items_study_id_number")),
        sa.UniqueConstraint("sop_instance_uid", name=op.f("uq_work_items_sop_instance_uid")),
    )
    op.create_index(
        "ix_work_items_claimed_until",
        "work_items",
        ["claimed_until"],
        sqlite_where=_CLAIMED,
        postgresql_where=_CLAIMED,
    )
    op.create_index("ix_work_items_ended_at", "work_items", ["ended_at"])
    op.create_table(
        "work_item_subscriptions",
        sa.Column("id", number, nullable=False),
        sa.Column("ae_title", sa.String(length=16), nullable=False),
        sa.Column("work_item_id", number, nullable=True),
        sa.Column("matching", sa.JSON(), nullable=True),
        _moment("created_at"),
        sa.ForeignKeyConstraint(
            ["work_item_id"], ["work_items.id"], name=op.f("fk_work_item_subscriptions_work_item_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_item_subscriptions")),
    )
    op.create_index("ix_work_item_subscriptions_ae_title", "work_item_subscriptions", ["ae_title", "work_item_id"])
    op.create_table(
        "work_item_events",
        sa.Column("id", number, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", number, nullable=False),
        sa.Column("lease_owner", sa.String(length=100), nullable=True),
        _moment("lease_until", nullable=True),
        _moment("timed_at", nullable=True),
        sa.Column("ae_title", sa.String(length=16), nullable=False),
        sa.Column("work_item_id", number, nullable=False),
        sa.Column("event", number, nullable=False),
        sa.Column("step_state", sa.String(length=16), nullable=False),
        sa.Column("said", sa.JSON(), nullable=True),
        _moment("occurred_at"),
        _moment("next_attempt_at", nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["work_item_id"], ["work_items.id"], name=op.f("fk_work_item_events_work_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_item_events")),
    )
    op.create_index("ix_work_item_events_work_item_id", "work_item_events", ["work_item_id"])
    op.create_index(
        "ix_work_item_events_open",
        "work_item_events",
        ["ae_title", "next_attempt_at"],
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )


def downgrade() -> None:
    """Take this step back."""
    op.drop_table("work_item_events")
    op.drop_table("work_item_subscriptions")
    op.drop_table("work_items")
