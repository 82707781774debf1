"""Keep what drift is watched by: what a checkpoint's card says, and alarms about machines."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_STANDING = sa.text("ended_at IS NULL")


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "card_references",
        sa.Column("checkpoint_digest", sa.String(64), nullable=False),
        sa.Column("operating_points", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("checkpoint_digest", name="pk_card_references"),
    )
    op.create_table(
        "drift_alarms",
        sa.Column("id", _INTEGER, nullable=False),
        sa.Column("machine_id", _INTEGER, nullable=False),
        sa.Column("view_position", sa.String(16), nullable=False),
        sa.Column("characteristic", sa.String(32), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_drift_alarms"),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name="fk_drift_alarms_machine_id"),
    )
    op.create_index(
        "ix_drift_alarms_standing", "drift_alarms", ["machine_id"], sqlite_where=_STANDING, postgresql_where=_STANDING
    )
    op.create_index("ix_predictions_checkpoint_digest_created_at", "predictions", ["checkpoint_digest", "created_at"])


def downgrade() -> None:
    """Take this step back."""
    op.drop_index("ix_predictions_checkpoint_digest_created_at", "predictions")
    op.drop_table("drift_alarms")
    op.drop_table("card_references")
