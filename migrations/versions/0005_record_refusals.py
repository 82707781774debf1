"""Record who was not let in."""

import sqlalchemy as sa
from alembic import op

from service.ledger.moment import Moment

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "refusals",
        sa.Column("id", number, nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("calling_ae_title", sa.String(length=16), nullable=False),
        sa.Column("called_ae_title", sa.String(length=16), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("count", number, nullable=False),
        sa.Column("first_at", Moment(timezone=True), nullable=False),
        sa.Column("last_at", Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusals")),
        sa.UniqueConstraint(
            "reason",
            "address",
            "calling_ae_title",
            "called_ae_title",
            "sop_class_uid",
            name="uq_refusals_key",
        ),
    )


def downgrade() -> None:
    """Take this step back."""
    op.drop_table("refusals")
