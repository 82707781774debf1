"""Keep what a line of the history says as a code with its values; version 0.1 kept an English sentence."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.add_column("events", sa.Column("facts", sa.JSON))


def downgrade() -> None:
    """Take this step back."""
    op.drop_column("events", "facts")
