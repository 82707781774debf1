"""Keep how long things took, by source and hour."""

import sqlalchemy as sa
from alembic import op

from service.ledger.moment import Moment

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "turnarounds",
        sa.Column("hour", Moment(timezone=True), nullable=False),
        sa.Column("figure", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("bucket", number, nullable=False, autoincrement=False),
        sa.Column("count", number, nullable=False),
        sa.PrimaryKeyConstraint("hour", "figure", "source", "bucket", name=op.f("pk_turnarounds")),
    )


def downgrade() -> None:
    """Take this step back."""
    op.drop_table("turnarounds")
