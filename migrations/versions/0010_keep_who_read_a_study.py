"""Keep by whom and when a study was read, and what came after; version 0.1 knew no end of a study."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("closed_at", sa.DateTime(timezone=True)),
    ("closed_by", sa.String(64)),
    ("close_source", sa.String(32)),
    ("came_after_at", sa.DateTime(timezone=True)),
    ("withheld_priority", sa.BigInteger().with_variant(sa.Integer(), "sqlite")),
    ("withheld_source", sa.String(64)),
)
_INDEXES = (
    ("ix_studies_open", ("reading_rank_at", "first_received_at", "id"), "closed_at IS NULL"),
    ("ix_studies_closed", ("closed_at",), "closed_at IS NOT NULL"),
    ("ix_studies_late", ("came_after_at",), "came_after_at IS NOT NULL"),
)


def upgrade() -> None:
    """Apply this step."""
    for name, kind in _COLUMNS:
        op.add_column("studies", sa.Column(name, kind))
    for name, columns, condition in _INDEXES:
        where = sa.text(condition)
        op.create_index(name, "studies", list(columns), sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Take this step back."""
    for name, _, _ in reversed(_INDEXES):
        op.drop_index(name, "studies")
    for name, _ in reversed(_COLUMNS):
        op.drop_column("studies", name)
