"""Objects that are neither radiographs nor reports: refused, or kept and recorded as out of scope."""

from pathlib import Path

import pytest

from service.dicom.contexts import OTHER_SOP_CLASSES, accepted
from service.ledger import Ledger
from service.vocabulary.states import State
from tests.service.dicom.raw_scu import EXPLICIT, RawAssociation, header
from tests.service.listening import associated, listening

CT, MR, US, PDF, DOSE, MPEG4 = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.6.1",
    "1.2.840.10008.5.1.4.1.1.104.1",
    "1.2.840.10008.5.1.4.1.1.88.67",
    "1.2.840.10008.1.2.4.102",
)


def test_every_storage_sop_class_of_the_standard_is_known() -> None:
    assert {CT, MR, US, PDF, DOSE} <= set(OTHER_SOP_CLASSES)
    assert len(OTHER_SOP_CLASSES) > 150
    assert CT not in accepted()
    assert MPEG4 in accepted(other_objects=True)[US]


def test_a_ct_is_refused_in_its_context_unless_the_site_records_it(tmp_path: Path) -> None:
    with listening(tmp_path) as site, associated(site.port, (CT, EXPLICIT)) as assoc:
        assert assoc.accepted_contexts == []


@pytest.mark.parametrize(
    ("sop_class_uid", "syntax", "reason"),
    [
        (CT, EXPLICIT, "modality"),
        (MR, EXPLICIT, "modality"),
        (US, MPEG4, "modality"),
        (PDF, EXPLICIT, "not_an_image"),
        (DOSE, EXPLICIT, "not_an_image"),
    ],
)
def test_other_objects_are_kept_and_out_of_scope(tmp_path: Path, sop_class_uid: str, syntax: str, reason: str) -> None:
    data = header(sop_class_uid=sop_class_uid.encode())
    with (
        listening(tmp_path, other_objects="record") as site,
        RawAssociation(site.port, [(1, sop_class_uid, (syntax,))]) as association,
    ):
        assert association.store(data, sop_class_uid=sop_class_uid).status == 0x0000
        (instance,) = site.instances
        assert (instance.state, instance.reason) == (State.OUT_OF_SCOPE, reason)
        assert site.stored().endswith(data)
        # There is nothing to read of it here: it makes no row of the worklist, and the counts tell of it.
        ledger = Ledger(site.engine)
        assert ledger.reading_list.page(10).studies == ()
        assert ledger.inspection.status().out_of_scope == {reason: 1}


def test_the_limits_are_those_of_any_object(tmp_path: Path) -> None:
    data = header(sop_class_uid=CT.encode()) + bytes(4096)
    with (
        listening(tmp_path, other_objects="record", maximum_object_bytes=2048) as site,
        RawAssociation(site.port, [(1, CT, (EXPLICIT,))]) as association,
    ):
        assert association.store(data, sop_class_uid=CT).status == 0xC010
        assert site.instances == []


def test_a_proposal_of_every_kind_at_once_is_negotiated(tmp_path: Path) -> None:
    proposed = [(uid, EXPLICIT) for uid in OTHER_SOP_CLASSES[:120]]
    with listening(tmp_path, other_objects="record") as site, associated(site.port, *proposed) as assoc:
        assert len(assoc.accepted_contexts) == len(proposed)


def test_a_study_with_a_radiograph_stays_in_the_worklist_whatever_comes_besides(tmp_path: Path) -> None:
    with listening(tmp_path, other_objects="record") as site:
        for number, uid in enumerate((CT, "1.2.840.10008.5.1.4.1.1.1")):
            data = header(f"2.25.{number}", sop_class_uid=uid.encode())
            with RawAssociation(site.port, [(1, uid, (EXPLICIT,))]) as association:
                stored = association.store(data, sop_class_uid=uid, sop_instance_uid=f"2.25.{number}")
                assert stored.status == 0x0000
        (study,) = Ledger(site.engine).reading_list.page(10).studies
        assert len(study.instances) == 2
