"""Keep which checkpoint found an image how far from its training images, and which one an alarm is about."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_TABLES = ("acquisitions", "drift_alarms")


def upgrade() -> None:
    """Apply this step."""
    for table in _TABLES:
        op.add_column(table, sa.Column("checkpoint_digest", sa.String(64)))


def downgrade() -> None:
    """Take this step back."""
    for table in _TABLES:
        op.drop_column(table, "checkpoint_digest")
