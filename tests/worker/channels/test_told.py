"""What a message tells of a study's images: all that stands for its receiver, and nothing that does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from service.ledger import DueMessage, Subscription
from service.ledger.database import writing
from service.ledger.records import StudyRecord
from service.ledger.rows import hold, let_go
from service.ledger.views import StudyHistory
from service.settings import ReceiverSettings
from service.vocabulary.facts import Hold, MessageEvent, Reason, Supersession
from service.vocabulary.findings import Outcome
from service.vocabulary.shadow import ShadowSource
from tests.service.sample_site import LEASE, SampleSite
from worker.channels.told import Status, image_withdrawn, images_told

RIS = ReceiverSettings(name="ris")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SampleSite]:
    made = SampleSite(tmp_path, subscriptions=(Subscription("ris", RIS.told, RIS.not_analysed),))
    yield made
    made.close()


def due(site: SampleSite) -> tuple[DueMessage, StudyHistory]:
    """Claim the one message that is due; return it with its study."""
    (message,) = site.ledger.messages.claim("messenger", "ris", 10, LEASE)
    study = site.ledger.inspection.history(message.study_instance_uid)
    assert study is not None
    return message, study


def take_all(site: SampleSite) -> None:
    while messages := site.ledger.messages.claim("messenger", "ris", 10, LEASE):
        for message in messages:
            site.ledger.messages.save_taken(message, "taken")


def again(site: SampleSite, first: Any, **changes: Any) -> None:
    """Receive another version of an image."""
    site.receive(study_instance_uid=str(first.StudyInstanceUID), sop_instance_uid=str(first.SOPInstanceUID), **changes)


def test_a_result_stands_while_another_version_of_its_image_waits_and_when_that_is_a_duplicate(
    site: SampleSite,
) -> None:
    first = site.receive()
    site.infer(0.95)
    take_all(site)
    site.receive(study_instance_uid=str(first.StudyInstanceUID))
    site.infer(0.1)
    again(site, first)
    message, study = due(site)
    assert [image.outcome for image in images_told(message, study, "ris")] == [Outcome.POSITIVE, Outcome.NEGATIVE]
    claim = site.claim()
    site.ledger.results.save_duplicate(claim, claim.object_key)
    study = site.ledger.inspection.history(message.study_instance_uid) or study
    assert [image.outcome for image in images_told(message, study, "ris")] == [Outcome.POSITIVE, Outcome.NEGATIVE]


def test_a_result_that_a_later_one_corrects_is_not_taken_back(site: SampleSite) -> None:
    first = site.receive(patient_id="P-1")
    site.infer(0.95)
    take_all(site)
    again(site, first, patient_id="P-1")
    site.infer(0.1, superseding=Supersession.IMAGE_REPLACED)
    message, study = due(site)
    assert message.event is MessageEvent.RESULT_SUPERSEDED
    assert image_withdrawn(message, study, "ris") is None


def test_a_result_is_taken_back_where_the_receiver_is_not_told_of_what_took_its_place(site: SampleSite) -> None:
    first = site.receive(patient_id="P-1")
    site.infer(0.95)
    take_all(site)
    again(site, first, patient_id="P-1")
    claim = site.claim()
    site.ledger.results.save_out_of_scope(
        claim,
        Reason.LATERAL_VIEW,
        is_chest=False,
        pixel_digest=claim.object_key,
        flags=(),
        superseding_reason=Supersession.ANALYSED_AGAIN,
    )
    message, study = due(site)
    image = image_withdrawn(message, study, "ris")
    assert image is not None
    assert (image.view.version, image.status) == (1, Status.WITHDRAWN)


def test_what_was_told_is_taken_back_where_the_version_that_was_to_correct_it_never_was_told(site: SampleSite) -> None:
    first = site.receive(patient_id="P-1")
    site.infer(0.95)
    take_all(site)
    again(site, first, patient_id="P-1")
    site.infer(0.1, superseding=Supersession.IMAGE_REPLACED)
    message, study = due(site)
    assert image_withdrawn(message, study, "ris") is None, "the second is about to correct it"
    site.ledger.messages.save_nothing_to_tell(message)
    with writing(site.engine) as session:
        hold(session.scalars(select(StudyRecord)).one(), Hold.TWO_PATIENTS, site.now)
    again(site, first, patient_id="P-2")
    site.infer(0.4, superseding=Supersession.IDENTITY_CORRECTED)
    with writing(site.engine) as session:
        let_go(session.scalars(select(StudyRecord)).one())
    message, study = due(site)
    image = image_withdrawn(message, study, "ris")
    assert image is not None
    assert (image.status, image.view.identity.patient_id) == (Status.WITHDRAWN, "P-1")


def test_a_result_is_taken_back_under_its_study_before_another_is_told_under_the_corrected_one(
    site: SampleSite,
) -> None:
    first = site.receive()
    site.infer(0.95)
    take_all(site)
    site.receive(study_instance_uid="1.2.3.4.5", sop_instance_uid=str(first.SOPInstanceUID))
    site.infer(0.95, superseding=Supersession.IDENTITY_CORRECTED)
    message, _ = due(site)
    assert (message.event, message.study_instance_uid) == (MessageEvent.RESULT_SUPERSEDED, first.StudyInstanceUID)
    site.ledger.messages.save_taken(message, "taken")
    message, _ = due(site)
    assert (message.event, message.study_instance_uid) == (MessageEvent.RESULT, "1.2.3.4.5")


def test_an_image_in_shadow_takes_no_number(site: SampleSite) -> None:
    """A receiver that is told of image 2 alone would ask for image 1."""
    site.ledger.shadow.enter(ShadowSource("TRIAL"))
    first = site.receive(ae="TRIAL")
    site.infer(0.95)
    site.receive(study_instance_uid=str(first.StudyInstanceUID))
    site.infer(0.95)
    message, study = due(site)
    assert [image.number for image in images_told(message, study, "ris")] == [1]
