"""Keep a digest of each image's Patient ID and issuer, so that a patient's other studies are found at once."""

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_BATCH = 1000

_instances = sa.table(
    "instances", sa.column("id"), sa.column("identity", sa.JSON), sa.column("patient_digest", sa.String)
)


def upgrade() -> None:
    """Apply this step."""
    op.add_column("instances", sa.Column("patient_digest", sa.String(64)))
    _fill()
    op.create_index("ix_instances_patient_digest", "instances", ["patient_digest"])


def downgrade() -> None:
    """Take this step back."""
    op.drop_index("ix_instances_patient_digest", "instances")
    op.drop_column("instances", "patient_digest")


def _fill() -> None:
    """Give the column to what was received before; a row that an earlier version writes meanwhile has none."""
    connection, last = op.get_bind(), 0
    rows = sa.select(_instances.c.id, _instances.c.identity).order_by(_instances.c.id).limit(_BATCH)
    change = (
        _instances.update().where(_instances.c.id == sa.bindparam("row")).values(patient_digest=sa.bindparam("digest"))
    )
    while batch := connection.execute(rows.where(_instances.c.id > last)).all():
        found = [{"row": row, "digest": digest} for row, identity in batch if (digest := _digest(identity))]
        if found:
            connection.execute(change, found)
        last = batch[-1][0]


def _digest(identity: Any) -> str | None:
    # As it was written then; a migration never changes, so it computes it itself.
    known = json.loads(identity) if isinstance(identity, str) else identity
    patient = str(known.get("patient_id", "")).strip()
    issuer = str(known.get("issuer_of_patient_id", "")).strip()
    return hashlib.sha256(json.dumps([patient, issuer]).encode()).hexdigest() if patient else None
