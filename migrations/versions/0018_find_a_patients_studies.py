"""Keep a digest of each image's Patient ID and issuer, so that a patient's other studies are found at once."""

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
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
    """Apply this step; begun anew after an interruption, it goes on."""
    connection = op.get_bind()
    if "patient_digest" not in {column["name"] for column in sa.inspect(connection).get_columns("instances")}:
        op.add_column("instances", sa.Column("patient_digest", sa.String(64)))
    if connection.dialect.name == "postgresql":
        # The new column keeps everybody out until it is committed: not for as long as the filling takes.
        with op.get_context().autocommit_block():
            _fill(connection.engine.begin)
    else:
        _fill(lambda: nullcontext(connection))
    op.create_index("ix_instances_patient_digest", "instances", ["patient_digest"])


def downgrade() -> None:
    """Take this step back."""
    op.drop_index("ix_instances_patient_digest", "instances")
    op.drop_column("instances", "patient_digest")


def _fill(transaction: Callable[[], AbstractContextManager[sa.Connection]]) -> None:
    """Give the column to what was received before; a row that an earlier version writes meanwhile has none."""
    # Later rows before earlier ones, as everybody locks them (ADR 0022).
    rows = sa.select(_instances.c.id, _instances.c.identity).order_by(_instances.c.id.desc()).limit(_BATCH)
    rows = rows.where(_instances.c.patient_digest.is_(None)).with_for_update(key_share=True)
    change = (
        _instances.update().where(_instances.c.id == sa.bindparam("row")).values(patient_digest=sa.bindparam("digest"))
    )
    before: sa.ColumnElement[bool] = sa.true()
    while True:
        with transaction() as connection:
            batch = connection.execute(rows.where(before)).all()
            found = [{"row": row, "digest": digest} for row, identity in batch if (digest := _digest(identity))]
            if found:
                connection.execute(change, found)
        if not batch:
            return
        before = _instances.c.id < batch[-1][0]


def _digest(identity: Any) -> str | None:
    # As it was written then; a migration never changes, so it computes it itself.
    known = json.loads(identity) if isinstance(identity, str) else identity
    patient = str(known.get("patient_id", "")).strip()
    issuer = str(known.get("issuer_of_patient_id", "")).strip()
    return hashlib.sha256(json.dumps([patient, issuer]).encode()).hexdigest() if patient else None
