"""Shadow: sources whose images are analysed and recorded, and of which nothing leaves.

The ledger alone decides, at the moment in which an image is received. A source is put in by the settings or by a
person, and stays in when the settings forget it: it leaves by a person's word and the last go-live report of its
period. An image that was received in shadow stays there: no later decision sends what is old.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BindParameter, ColumnElement, Engine, Select, select
from sqlalchemy.orm import Session

from service.ledger.database import reading, writing
from service.ledger.machine_records import ShadowRecord
from service.ledger.records import InstanceRecord, StudyRecord
from service.process.clock import Clock
from service.vocabulary.shadow import Departure, ShadowSource
from service.vocabulary.states import State


@dataclass(frozen=True)
class ShadowView:
    """A source that is in shadow.

    Attributes
    ----------
    entered_by
        The name of the person; None where the settings put it in.
    report_digest, reported_at
        SHA-256 (hex) of the last go-live report, and when it was made; None before the first.
    """

    source: ShadowSource
    entered_at: datetime
    entered_by: str | None
    report_digest: str | None
    reported_at: datetime | None


class Shadow:
    """Puts sources in shadow, and lets them out."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def standing(self) -> list[ShadowView]:
        """Return the sources that are in shadow, the longest first."""
        with reading(self._engine) as session:
            rows = session.scalars(select(ShadowRecord).where(_stands()).order_by(ShadowRecord.id)).all()
        first: dict[ShadowSource, ShadowView] = {}
        for row in rows:
            source = ShadowSource(row.ae_title, row.machine_id)
            view = ShadowView(source, row.entered_at, row.entered_by, row.report_digest, row.reported_at)
            first.setdefault(source, view)
        return list(first.values())

    def view(self, source: ShadowSource) -> ShadowView | None:
        """Return since when a source is in shadow; None where it is not."""
        return next((view for view in self.standing() if view.source == source), None)

    def enter(self, source: ShadowSource, by: str = "") -> bool:
        """Put a source in shadow, from the next image on; return whether it was not there yet."""
        with writing(self._engine) as session:
            if session.scalars(_of(source)).first() is not None:
                return False
            session.add(
                ShadowRecord(
                    ae_title=source.ae_title,
                    machine_id=source.machine_id,
                    entered_at=self._clock(),
                    entered_by=by[:64] or None,
                )
            )
            return True

    def enter_named(self, ae_titles: Iterable[str]) -> list[ShadowSource]:
        """Put in shadow what the settings name and is not there yet, and return it; no lock is taken where all are."""
        named = [ShadowSource(title.strip()) for title in ae_titles]
        there = {view.source for view in self.standing()} if named else set()
        return [source for source in named if source not in there and self.enter(source)]

    def keep_report(self, source: ShadowSource, digest: str) -> None:
        """Keep the digest of a source's go-live report: the last one is what it leaves by."""
        with writing(self._engine) as session:
            for row in session.scalars(_of(source)):
                row.report_digest, row.reported_at = digest, self._clock()

    def leave(self, source: ShadowSource, digest: str, by: str) -> Departure:
        """Let a source out on a person's word, with the digest of the report that the person has read."""
        with writing(self._engine) as session:
            rows = session.scalars(_of(source).with_for_update()).all()
            if not rows:
                return Departure.NOT_IN_SHADOW
            if all(row.report_digest is None for row in rows):
                return Departure.NO_REPORT
            if any(row.report_digest != digest for row in rows):
                return Departure.OTHER_REPORT
            for row in rows:
                row.left_at, row.left_by = self._clock(), by[:64]
            return Departure.LEFT


def period_of(ae_title: BindParameter[str], machine_id: BindParameter[int]) -> Select[int]:
    """Return the number of the period in shadow that an image which is received now belongs to; none for most."""
    row = ShadowRecord
    # No period's machine equals NULL, as `machine_id` is where an object is no image.
    is_meant = (row.ae_title == ae_title) | (row.machine_id == machine_id)
    return select(row.id).where(_stands(), is_meant).order_by(row.id).limit(1)


def alike(instance: InstanceRecord) -> ColumnElement[bool]:
    """Return the condition on images that are in shadow as one is, or are not as it is not.

    An image in shadow replaces, contradicts and repeats only what is in shadow too.
    """
    return is_shadowed() if instance.shadow_id is not None else ~is_shadowed()


def both_alike(one: type[InstanceRecord], other: type[InstanceRecord]) -> ColumnElement[bool]:
    """Return the condition that two images are both in shadow, or neither is."""
    return one.shadow_id.is_(None) == other.shadow_id.is_(None)


def is_all_in_shadow(session: Session, study_id: int) -> bool:
    """Return whether nothing of a study came outside shadow; it is so of one that nothing has come of yet."""
    row = InstanceRecord
    other = select(row.id).where(row.study_id == study_id, ~is_shadowed()).limit(1)
    return session.scalars(other).first() is None


def is_shadowed() -> ColumnElement[bool]:
    """Return the condition on images that were received in shadow."""
    return InstanceRecord.shadow_id.is_not(None)


def has_shadowed() -> ColumnElement[bool]:
    """Return the condition on studies that an image was received of in shadow."""
    # Through the index of the few that are.
    return StudyRecord.id.in_(select(InstanceRecord.study_id).where(is_shadowed()))


def visible(rows: Sequence[InstanceRecord]) -> list[InstanceRecord]:
    """Return the images by which a study is shown: those in shadow only where no other stands for it on a list."""
    others = [row for row in rows if row.shadow_id is None]
    stands = any(row.state != State.OUT_OF_SCOPE.value or row.analysed_at is not None for row in others)
    return others if stands else list(rows)


def held_in_shadow(rows: Iterable[InstanceRecord]) -> list[InstanceRecord]:
    """Return the images in shadow that are on hold; nothing of their study is, for it is other people's."""
    return [row for row in rows if row.shadow_id is not None and row.state == State.HELD.value]


def _stands() -> ColumnElement[bool]:
    return ShadowRecord.left_at.is_(None)


def _of(source: ShadowSource) -> Select[ShadowRecord]:
    row = ShadowRecord
    return select(row).where(
        _stands(),
        row.ae_title.is_not_distinct_from(source.ae_title),
        row.machine_id.is_not_distinct_from(source.machine_id),
    )
