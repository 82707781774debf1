"""Keep which sources are in shadow, and which images were received while theirs was."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_STANDING = sa.text("left_at IS NULL")
_SHADOWED = sa.text("shadow_id IS NOT NULL")


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "shadows",
        sa.Column("id", _INTEGER, nullable=False),
        sa.Column("ae_title", sa.String(16)),
        sa.Column("machine_id", _INTEGER),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entered_by", sa.String(64)),
        sa.Column("report_digest", sa.String(64)),
        sa.Column("reported_at", sa.DateTime(timezone=True)),
        sa.Column("left_at", sa.DateTime(timezone=True)),
        sa.Column("left_by", sa.String(64)),
        sa.PrimaryKeyConstraint("id", name="pk_shadows"),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name="fk_shadows_machine_id"),
    )
    op.create_index("ix_shadows_standing", "shadows", ["id"], sqlite_where=_STANDING, postgresql_where=_STANDING)
    op.add_column("instances", sa.Column("shadow_id", _INTEGER))
    op.create_index(
        "ix_instances_shadow_id", "instances", ["shadow_id"], sqlite_where=_SHADOWED, postgresql_where=_SHADOWED
    )


def downgrade() -> None:
    """Take this step back."""
    op.drop_index("ix_instances_shadow_id", "instances")
    op.drop_column("instances", "shadow_id")
    op.drop_table("shadows")
