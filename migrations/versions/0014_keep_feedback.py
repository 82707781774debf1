"""Keep what people say of the AI's results; earlier versions asked nobody."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "feedback",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("instance_id", _NUMBER, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("opinion", sa.String(16), nullable=False),
        sa.Column("finding", sa.String(32)),
        sa.Column("comment", sa.Text),
        sa.ForeignKeyConstraint(["instance_id"], ["instances.id"], name="fk_feedback_instance_id"),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_instance_id_person", "feedback", ["instance_id", "person"])


def downgrade() -> None:
    """Take this step back."""
    op.drop_table("feedback")
