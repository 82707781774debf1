"""Keep on which machine, and how, each image was made, and how far it is from what the network was trained on."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "machines",
        sa.Column("id", _INTEGER, nullable=False),
        sa.Column("manufacturer", sa.String(64), nullable=False),
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("station_name", sa.String(64), nullable=False),
        sa.Column("device_serial_number", sa.String(64), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_machines"),
        sa.UniqueConstraint(
            "manufacturer", "model_name", "station_name", "device_serial_number", name="uq_machines_attributes"
        ),
    )
    op.create_table(
        "acquisitions",
        sa.Column("id", _INTEGER, nullable=False),
        sa.Column("instance_id", _INTEGER, nullable=False),
        sa.Column("machine_id", _INTEGER, nullable=False),
        sa.Column("view_position", sa.String(16), nullable=False),
        sa.Column("kvp", sa.Float(53)),
        sa.Column("distance", sa.Float(53)),
        sa.PrimaryKeyConstraint("id", name="pk_acquisitions"),
        sa.UniqueConstraint("instance_id", name="uq_acquisitions_instance_id"),
        sa.ForeignKeyConstraint(["instance_id"], ["instances.id"], name="fk_acquisitions_instance_id"),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name="fk_acquisitions_machine_id"),
    )
    columns = ["machine_id", "view_position", "instance_id"]
    op.create_index("ix_acquisitions_machine_id_view_position", "acquisitions", columns)


def downgrade() -> None:
    """Take this step back."""
    op.drop_table("acquisitions")
    op.drop_table("machines")
