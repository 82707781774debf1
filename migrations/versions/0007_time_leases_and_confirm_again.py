"""Keep when a lease or a pause was set, how often a destination was asked, and when a clock was set."""

import sqlalchemy as sa
from alembic import op

import service.ledger.moment

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_QUEUES = ("instances", "deliveries", "commitment_requests")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply this step."""
    for table in _QUEUES:
        op.add_column(table, sa.Column("timed_at", service.ledger.moment.Moment(timezone=True), nullable=True))
    for column in ("questions", "confirmations"):
        op.add_column("deliveries", sa.Column(column, _NUMBER, nullable=True))
    op.create_table(
        "clock_steps",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("at", service.ledger.moment.Moment(timezone=True), nullable=False),
        sa.Column("seconds", sa.Float(precision=53), nullable=False),
        sa.Column("host", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock_steps")),
    )


def downgrade() -> None:
    """Take this step back; the version before knows of no state but SENT for what cannot be confirmed."""
    op.execute("UPDATE deliveries SET state = 'sent', next_attempt_at = NULL WHERE state = 'unconfirmable'")
    op.drop_table("clock_steps")
    for column in ("confirmations", "questions"):
        op.drop_column("deliveries", column)
    for table in _QUEUES:
        op.drop_column(table, "timed_at")
