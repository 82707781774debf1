"""Mark the rows whose objects retention has removed."""

import sqlalchemy as sa
from alembic import op

from service.core.records import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    with op.batch_alter_table("instances", schema=None) as batch_op:
        batch_op.add_column(sa.Column("object_removed_at", Moment(timezone=True), nullable=True))
    with op.batch_alter_table("reports", schema=None) as batch_op:
        batch_op.add_column(sa.Column("object_removed_at", Moment(timezone=True), nullable=True))
        batch_op.create_index(batch_op.f("ix_reports_object_key"), ["object_key"], unique=False)


def downgrade() -> None:
    """Undo this step."""
    with op.batch_alter_table("reports", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_reports_object_key"))
        batch_op.drop_column("object_removed_at")
    with op.batch_alter_table("instances", schema=None) as batch_op:
        batch_op.drop_column("object_removed_at")
