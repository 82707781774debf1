"""Watch the images of a machine by bands of tube voltage too, and keep what a card says of its distributions."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.add_column("acquisitions", sa.Column("kvp_band", sa.String(8)))
    columns = ["machine_id", "view_position", "kvp_band", "instance_id"]
    op.create_index("ix_acquisitions_group", "acquisitions", columns)
    op.add_column("drift_alarms", sa.Column("kvp_band", sa.String(8)))
    op.add_column("card_references", sa.Column("distributions", sa.JSON))


def downgrade() -> None:
    """Take this step back."""
    op.drop_column("card_references", "distributions")
    op.drop_column("drift_alarms", "kvp_band")
    op.drop_index("ix_acquisitions_group", "acquisitions")
    op.drop_column("acquisitions", "kvp_band")
