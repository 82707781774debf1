"""Mark the rows whose objects retention has removed."""

import sqlalchemy as sa
from alembic import op

from service.ledger.moment import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    # Plain steps: a batch would drop and copy the table, which SQLite refuses while other rows refer to its rows.
    op.add_column("instances", sa.Column("object_removed_at", Moment(timezone=True), nullable=True))
    op.add_column("reports", sa.Column("object_removed_at", Moment(timezone=True), nullable=True))
    op.create_index(op.f("ix_reports_object_key"), "reports", ["object_key"], unique=False)


def downgrade() -> None:
    """Undo this step."""
    op.drop_index(op.f("ix_reports_object_key"), "reports")
    op.drop_column("reports", "object_removed_at")
    op.drop_column("instances", "object_removed_at")
