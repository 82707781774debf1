"""What a message tells of a study's images: all that stands for its receiver, and nothing that does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.ledger import DueMessage, Subscription
from service.ledger.views import StudyHistory
from service.settings import ReceiverSettings
from service.vocabulary.findings import Outcome
from tests.service.sample_site import LEASE, SampleSite
from worker.channels.told import images_told

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
