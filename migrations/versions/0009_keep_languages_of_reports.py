"""Keep the language of each report; version 0.1 knew one."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.add_column("reports", sa.Column("language", sa.String(16)))


def downgrade() -> None:
    """Take this step back."""
    op.drop_column("reports", "language")
