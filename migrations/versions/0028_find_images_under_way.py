"""Find the images that are under way, whatever a database's statistics say of all the others."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0026"
branch_labels = None
depends_on = None

_UNDER_WAY = sa.text("state IN ('received', 'claimed')")


def upgrade() -> None:
    """Apply this step."""
    op.create_index(
        "ix_instances_under_way",
        "instances",
        ["state", "rank_at"],
        sqlite_where=_UNDER_WAY,
        postgresql_where=_UNDER_WAY,
    )
    op.create_index(
        "ix_instances_due",
        "instances",
        ["reports_due", "rank_at"],
        sqlite_where=sa.text("reports_due IS 1"),
        postgresql_where=sa.text("reports_due IS true"),
    )


def downgrade() -> None:
    """Take this step back."""
    op.drop_index("ix_instances_due", "instances")
    op.drop_index("ix_instances_under_way", "instances")
