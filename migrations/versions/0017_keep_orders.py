"""Keep what a RIS says of orders, and the accession numbers by which studies are found."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

import service.ledger.moment

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str, length: int, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=nullable)


def _moment(name: str) -> sa.Column[datetime]:
    return sa.Column(name, service.ledger.moment.Moment(timezone=True), nullable=False)


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "orders",
        sa.Column("id", _NUMBER, nullable=False),
        _text("sender", 128),
        _text("message_id", 199),
        _text("digest", 64),
        sa.Column("number", _NUMBER, nullable=False),
        _moment("heard_at"),
        _text("event", 16),
        _text("study_instance_uid", 64),
        _text("accession_number", 64),
        sa.Column("patient_ids", sa.JSON(), nullable=False),
        sa.Column("patient_names", sa.JSON(), nullable=False),
        _text("birth_date", 8),
        sa.Column("priority", _NUMBER, nullable=True),
        sa.Column("indication", sa.Text(), nullable=False),
        _text("patient_class", 16),
        _text("state", 16),
        _text("problem", 32, nullable=True),
        sa.Column("study_id", _NUMBER, nullable=True),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_orders_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("sender", "message_id", "digest", "number", name="uq_orders_message"),
    )
    op.create_index("ix_orders_heard_at", "orders", ["heard_at"])
    op.create_index("ix_orders_study_id", "orders", ["study_id"])
    op.create_index("ix_orders_state_study_instance_uid", "orders", ["state", "study_instance_uid"])
    op.create_index("ix_orders_state_accession_number", "orders", ["state", "accession_number"])
    op.create_table(
        "accessions",
        sa.Column("id", _NUMBER, nullable=False),
        _text("accession_number", 64),
        sa.Column("study_id", _NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_accessions_study_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accessions")),
        sa.UniqueConstraint("accession_number", "study_id", name="uq_accessions_study"),
    )
    _find_those_of_open_studies()


def _find_those_of_open_studies() -> None:
    """Let what a RIS says from now on find the studies that nobody has read."""
    instances = sa.table("instances", sa.column("study_id"), sa.column("identity", sa.JSON()), sa.column("state"))
    studies = sa.table("studies", sa.column("id"), sa.column("closed_at"))
    number = instances.c.identity["accession_number"].as_string()
    found = (
        sa.select(sa.func.substr(number, 1, 64), instances.c.study_id)
        .join(studies, studies.c.id == instances.c.study_id)
        .where(studies.c.closed_at.is_(None), instances.c.state != "own", sa.func.length(number) > 0)
        .distinct()
    )
    accessions = sa.table("accessions", sa.column("accession_number"), sa.column("study_id"))
    op.execute(sa.insert(accessions).from_select(["accession_number", "study_id"], found))


def downgrade() -> None:
    """Take this step back."""
    op.drop_table("accessions")
    op.drop_table("orders")
