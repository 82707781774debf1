"""Find the study of a priority that has waited longest for its reading, whatever was read before it."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_OPEN = sa.text("closed_at IS NULL")


def upgrade() -> None:
    """Apply this step."""
    columns = ["priority", "first_received_at"]
    op.create_index("ix_studies_priority_open", "studies", columns, sqlite_where=_OPEN, postgresql_where=_OPEN)


def downgrade() -> None:
    """Take this step back."""
    op.drop_index("ix_studies_priority_open", "studies")
