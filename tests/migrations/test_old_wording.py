"""Rows that version 0.1 wrote in sentences mean the same after the migration, and beside processes of that version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import MetaData, null, text, update

from service.ledger import Ledger, Which
from service.ledger.claims import predecessor
from service.ledger.database import connect, reading, writing
from service.ledger.migration import configuration, upgrade
from service.ledger.records import InstanceRecord, StudyRecord
from service.ledger.version_0_1 import (
    AGAIN,
    FLAGS,
    HOLDS,
    RELEASED,
    SUPERSESSIONS,
    flag_codes,
    hold_code,
    supersession_code,
    supersession_of,
)
from service.operations.bootstrap import open_ledger
from service.settings import Settings
from service.vocabulary.facts import Flag, Hold, Supersession
from tests.service.sample_site import LEASE, SampleSite

BEFORE = "0004"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    postgres_url: str = request.getfixturevalue("postgres_url")
    return postgres_url


class Old:
    """A ledger of version 0.1 with one image of each kind that matters, by their SOP Instance UIDs."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        site = SampleSite(folder, url)
        self.doubted = str(site.receive().SOPInstanceUID)
        site.infer(0.9, *FLAGS)
        self.settled = str(site.receive().SOPInstanceUID)
        site.infer(0.9)
        site.receive(sop_instance_uid=self.doubted, patient_name="Other^Name")
        self.held_study = site.receive(patient_id="ONE", patient_name="One^A", birth_date=None)
        site.claim()
        site.receive(patient_id="TWO", patient_name="Two^B", study_instance_uid=str(self.held_study.StudyInstanceUID))
        site.close()
        command.downgrade(configuration(url), BEFORE)

    def set(self, table: str, where: str, uid: str, **values: Any) -> None:
        """Write values of version 0.1 into rows."""
        engine = connect(self.url)
        tables = MetaData()
        tables.reflect(engine)
        of = tables.tables[table]
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            connection.execute(update(of).where(of.c[where] == uid).values(**values))
        engine.dispose()

    def ledger(self) -> Ledger:
        """Open the ledger with this version's code."""
        return open_ledger(Settings(data_dir=self.folder, database={"url": self.url}))


@pytest.fixture
def old(url: str, tmp_path: Path) -> Old:
    """Return a ledger of version 0.1."""
    return Old(tmp_path / "data", url)


@pytest.mark.parametrize("migrated", [True, False], ids=["migrated", "written beside this version"])
def test_old_words_mean_the_same(old: Old, migrated: bool) -> None:
    """The doubt of an image that a stricter rule refuses must not be lost: its result would come back."""
    study = str(old.held_study.StudyInstanceUID)
    if not migrated:
        upgrade(old.url)
    old.set("instances", "sop_instance_uid", old.doubted, flags=list(FLAGS.values()))
    old.set("instances", "sop_instance_uid", old.doubted, superseding_reason=SUPERSESSIONS[Supersession.IMAGE_REPLACED])
    old.set("studies", "study_instance_uid", study, held_reason=HOLDS[Hold.CLASHING_INSTANCE])
    if migrated:
        upgrade(old.url)
    else:
        # What a process of version 0.1 leaves in columns that it does not know.
        old.set("instances", "sop_instance_uid", old.doubted, flag_codes=null(), supersession=None)
    ledger = old.ledger()
    with reading(ledger.engine) as session:
        later = session.query(InstanceRecord).filter_by(sop_instance_uid=old.doubted, version=2).one()
        before = predecessor(session, later)
        row = session.query(InstanceRecord).filter_by(sop_instance_uid=old.doubted, version=1).one()
        assert supersession_of(row) is Supersession.IMAGE_REPLACED
    assert before is not None
    assert before.flags == tuple(FLAGS)
    assert ledger.inspection.status().held_studies == {study: Hold.CLASHING_INSTANCE}
    assert ledger.remedies.release(study, "anna")
    assert ledger.inspection.status().held_studies == {}
    ledger.engine.dispose()


def test_every_old_word_has_a_code() -> None:
    assert flag_codes(list(FLAGS.values())) == [flag.value for flag in FLAGS]
    assert [hold_code(words) for words in HOLDS.values()] == [hold.value for hold in Hold]
    assert [supersession_code(words) for words in SUPERSESSIONS.values()] == [reason.value for reason in Supersession]


def test_a_person_s_words_are_columns_and_no_doubts(old: Old) -> None:
    for words in (RELEASED, AGAIN):
        old.set("instances", "sop_instance_uid", old.doubted, flags=[FLAGS[Flag.AGE_UNKNOWN], words])
        upgrade(old.url)
        engine = connect(old.url)
        with reading(engine) as session:
            row = session.query(InstanceRecord).filter_by(sop_instance_uid=old.doubted, version=1).one()
            assert row.flag_codes == [Flag.AGE_UNKNOWN]
            assert (row.reanalysis_asked_at is not None) is (words == AGAIN)
            assert (row.hold == Hold.CLASHING_INSTANCE) is (words == RELEASED)
        engine.dispose()
        command.downgrade(configuration(old.url), BEFORE)


def test_a_study_that_a_person_let_go_stays_let_go(old: Old) -> None:
    """Version 0.1 told it from the history's text alone."""
    uid = str(old.held_study.StudyInstanceUID)
    old.set("studies", "study_instance_uid", uid, held_reason=None)
    engine = connect(old.url)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(
            text(
                "INSERT INTO events (instance_id, at, event, state, detail) SELECT instances.id, :at, 'study released',"
                " instances.state, 'by a person' FROM instances JOIN studies ON studies.id = instances.study_id"
                " WHERE studies.study_instance_uid = :uid"
            ),
            {"uid": uid, "at": "2026-03-01 12:00:00+00:00"},
        )
    engine.dispose()
    upgrade(old.url)
    ledger = old.ledger()
    with writing(ledger.engine) as session:
        study = session.query(StudyRecord).filter_by(study_instance_uid=uid).one()
        assert all(row.released_at is not None for row in study.instances)
        study_is_free = study.held_reason is None
    assert study_is_free
    # The next analysis looks at the two patients again, and finds that a person has decided.
    (claimed, *_) = [
        claim for claim in ledger.analysis.claim("w", 9, LEASE, 3) if claim.identity.study_instance_uid == uid
    ]
    ledger.results.save_duplicate(claimed, "00" * 32)
    assert ledger.inspection.status().held_studies == {}
    ledger.engine.dispose()


def test_what_a_person_asks_for_now_is_understood_by_workers_of_before(old: Old) -> None:
    upgrade(old.url)
    study = str(old.held_study.StudyInstanceUID)
    ledger = old.ledger()
    assert ledger.remedies.release(study, "anna")
    assert ledger.remedies.reanalyse(Which(uid=old.settled), lambda _: True, "anna") == 1
    with reading(ledger.engine) as session:
        rows = session.query(InstanceRecord).join(StudyRecord).filter_by(study_instance_uid=study).all()
        assert {row.released_by for row in rows} == {"anna"}
        asked = session.query(InstanceRecord).filter(InstanceRecord.reanalysis_asked_by == "anna").one()
        assert asked.flags == [AGAIN]
    ledger.engine.dispose()
