"""Find the events and the results of a period without reading all that ever happened."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.create_index("ix_events_at", "events", ["at"])
    op.create_index("ix_predictions_created_at", "predictions", ["created_at"])


def downgrade() -> None:
    """Take this step back."""
    op.drop_index("ix_predictions_created_at", "predictions")
    op.drop_index("ix_events_at", "events")
