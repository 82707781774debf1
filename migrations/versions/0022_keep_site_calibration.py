"""Keep by which calibration of the site a result came about."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.add_column("predictions", sa.Column("calibration_digest", sa.String(64)))


def downgrade() -> None:
    """Take this step back."""
    op.drop_column("predictions", "calibration_digest")
