"""Keep counts, and index what is open among all that history leaves behind."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_OPEN = sa.text("next_attempt_at IS NOT NULL")
_HELD = sa.text("held_reason IS NOT NULL")


def upgrade() -> None:
    """Apply this step."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    counts = op.create_table(
        "counts",
        sa.Column("id", number, nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("value", number, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_counts")),
    )
    op.bulk_insert(counts, [{"name": "recounts", "label": "", "value": 0}])
    op.create_index(
        "ix_deliveries_open", "deliveries", ["state", "next_attempt_at"], sqlite_where=_OPEN, postgresql_where=_OPEN
    )
    op.create_index(
        "ix_instances_open",
        "instances",
        ["rank_at"],
        sqlite_where=sa.text("reports_due IS 1"),
        postgresql_where=sa.text("reports_due IS true"),
    )
    op.create_index("ix_studies_held", "studies", ["first_received_at"], sqlite_where=_HELD, postgresql_where=_HELD)


def downgrade() -> None:
    """Take this step back."""
    op.drop_index("ix_studies_held", "studies")
    op.drop_index("ix_instances_open", "instances")
    op.drop_index("ix_deliveries_open", "deliveries")
    op.drop_table("counts")
