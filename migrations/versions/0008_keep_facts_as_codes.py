"""Keep flags, holds, reasons for superseding and a person's word as codes and columns, beside the words of before."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# As version 0.1 wrote them; a migration never changes, so it names them itself.
_FLAGS = {
    "body part unknown": "body_part_unknown",
    "view unknown": "view_unknown",
    "patient age unknown": "age_unknown",
    "patient age outside the validated range": "age_outside",
    "for-processing image": "for_processing",
    "unlike the images that the network was validated on": "unlike_training",
}
_RELEASED = "released by a person"
_AGAIN = "analysed again on a person's word"
_HOLDS = {
    "two patients under one Study Instance UID": "two_patients",
    "another patient's image under one SOP Instance UID": "clashing_instance",
}
_SUPERSESSIONS = {
    "patient or study identity was corrected": "identity_corrected",
    "the image was replaced": "image_replaced",
    "the image was analysed again": "analysed_again",
    "analysed again": "analysed_again",
    "a later version could not be analysed": "later_failed",
}
_BATCH = 1000

_studies = sa.table(
    "studies", sa.column("id"), sa.column("held_reason"), sa.column("hold"), sa.column("held_at", sa.DateTime)
)
_instances = sa.table(
    "instances",
    sa.column("id"),
    sa.column("study_id"),
    sa.column("state"),
    sa.column("received_at", sa.DateTime),
    sa.column("flags", sa.JSON),
    sa.column("flag_codes", sa.JSON),
    sa.column("superseding_reason"),
    sa.column("supersession"),
    sa.column("hold"),
    sa.column("released_at", sa.DateTime),
    sa.column("reanalysis_asked_at", sa.DateTime),
)
_events = sa.table(
    "events",
    sa.column("instance_id"),
    sa.column("event"),
    sa.column("detail"),
    sa.column("at", sa.DateTime),
)


def upgrade() -> None:
    """Apply this step."""
    moment = sa.DateTime(timezone=True)
    op.add_column("studies", sa.Column("hold", sa.String(32)))
    op.add_column("studies", sa.Column("held_at", moment))
    op.add_column("instances", sa.Column("flag_codes", sa.JSON()))
    op.add_column("instances", sa.Column("supersession", sa.String(32)))
    op.add_column("instances", sa.Column("hold", sa.String(32)))
    op.add_column("instances", sa.Column("released_at", moment))
    op.add_column("instances", sa.Column("released_by", sa.String(64)))
    op.add_column("instances", sa.Column("reanalysis_asked_at", moment))
    op.add_column("instances", sa.Column("reanalysis_asked_by", sa.String(64)))
    _fill()


def downgrade() -> None:
    """Take this step back."""
    for name in (
        "reanalysis_asked_by",
        "reanalysis_asked_at",
        "released_by",
        "released_at",
        "hold",
        "supersession",
        "flag_codes",
    ):
        op.drop_column("instances", name)
    op.drop_column("studies", "held_at")
    op.drop_column("studies", "hold")


def _fill() -> None:
    """Give the new columns what the words of version 0.1 mean."""
    connection = op.get_bind()
    for words, code in _HOLDS.items():
        held_at = (
            sa.select(sa.func.max(_events.c.at))
            .select_from(_events.join(_instances, _instances.c.id == _events.c.instance_id))
            .where(_instances.c.study_id == _studies.c.id, _events.c.event.in_(["study held", "held"]))
            .scalar_subquery()
        )
        connection.execute(_studies.update().where(_studies.c.held_reason == words).values(hold=code, held_at=held_at))
    for words, code in _SUPERSESSIONS.items():
        connection.execute(
            _instances.update().where(_instances.c.superseding_reason == words).values(supersession=code)
        )
    released_at = (
        sa.select(sa.func.max(_events.c.at))
        .where(
            _events.c.instance_id == _instances.c.id,
            _events.c.event == "study released",
            _events.c.detail == "by a person",
        )
        .scalar_subquery()
    )
    connection.execute(_instances.update().values(released_at=released_at))
    connection.execute(_instances.update().where(_instances.c.state == "held").values(hold="clashing_instance"))
    for identifier, flags in _flagged(connection):
        _fill_flags(connection, identifier, flags)


def _flagged(connection: sa.Connection) -> Iterator[tuple[int, Sequence[str]]]:
    last = 0
    query = sa.select(_instances.c.id, _instances.c.flags).order_by(_instances.c.id).limit(_BATCH)
    while rows := connection.execute(query.where(_instances.c.id > last)).all():
        for identifier, flags in rows:
            words = json.loads(flags) if isinstance(flags, str) else flags
            if words:
                yield identifier, words
        last = rows[-1][0]


def _fill_flags(connection: sa.Connection, identifier: int, words: Sequence[str]) -> None:
    values: dict[str, Any] = {"flag_codes": [_FLAGS[word] for word in words if word in _FLAGS]}
    if _RELEASED in words:
        values["hold"] = "clashing_instance"
    if _AGAIN in words:
        values["reanalysis_asked_at"] = _instances.c.received_at
    connection.execute(_instances.update().where(_instances.c.id == identifier).values(**values))
