"""What a report is told of its study: the number of its result, and what the other images show."""

from service.ledger import DueReport
from service.vocabulary.facts import Reason, Supersession
from service.vocabulary.findings import Outcome
from tests.service.sample_site import LEASE, SampleSite

_STUDY = "1.2.3.4"


def _due(site: SampleSite) -> list[DueReport]:
    due = site.ledger.reporting.claim("builder", 10, LEASE)
    for each in due:
        site.ledger.reporting.save(each, [])
    return due


def test_a_report_is_told_what_is_known_of_the_other_images_when_it_is_built(site: SampleSite) -> None:
    site.receive(study_instance_uid=_STUDY)
    site.infer(0.9)
    [first] = _due(site)
    assert first.other_images == ()

    site.receive(study_instance_uid=_STUDY)
    site.exclude(Reason.LATERAL_VIEW)
    site.receive(study_instance_uid="1.2.3.5")
    site.infer(0.1)
    second, elsewhere = _due(site)
    assert second.other_images == (Outcome.POSITIVE,)
    assert elsewhere.other_images == ()

    site.receive(study_instance_uid=_STUDY)
    site.receive(study_instance_uid=_STUDY)
    for claim in site.ledger.analysis.claim("worker", 1, LEASE, 3):
        site.ledger.analysis.save_failure(claim, "out of memory", 1, site.now)
    [third] = _due(site)
    assert third.other_images == (Outcome.POSITIVE, Outcome.NOT_ANALYSED), "one still waits"


def test_an_image_that_was_superseded_counts_once_and_with_its_latest_result(site: SampleSite) -> None:
    first = site.receive(study_instance_uid=_STUDY)
    site.infer(0.9)
    site.receive(study_instance_uid=_STUDY, sop_instance_uid=str(first.SOPInstanceUID))
    site.infer(0.1, superseding=Supersession.IMAGE_REPLACED)
    site.receive(study_instance_uid=_STUDY)
    site.infer(0.4)
    [replaced, other] = _due(site)
    assert replaced.other_images == (Outcome.INDETERMINATE,)
    assert other.other_images == (Outcome.NEGATIVE,)


def test_a_result_is_told_of_until_a_later_version_of_its_image_has_one(site: SampleSite) -> None:
    """A positive that is analysed again must not be missing from the reports in the meantime."""
    first = site.receive(study_instance_uid=_STUDY)
    site.infer(0.9)
    _due(site)
    site.receive(study_instance_uid=_STUDY)
    site.infer(0.1)
    site.receive(study_instance_uid=_STUDY, sop_instance_uid=str(first.SOPInstanceUID))
    [other] = _due(site)
    assert other.other_images == (Outcome.POSITIVE,)


def test_the_results_of_a_study_are_numbered_in_the_order_in_which_they_came_about(site: SampleSite) -> None:
    """A number in a series of reports names one report: what is analysed again gets another."""
    numbers = []
    for p_pneumonia in (0.9, 0.1):
        site.receive(study_instance_uid="1.2.3.5")
        site.infer(p_pneumonia)
        site.receive(study_instance_uid=_STUDY)
        site.infer(p_pneumonia)
        numbers += [due.number for due in _due(site) if due.identity.study_instance_uid == _STUDY]
    site.receive(study_instance_uid=_STUDY)
    site.fail("out of memory")
    numbers += [due.number for due in _due(site)]
    site.ledger.remedies.retry()
    site.infer(0.4)
    numbers += [due.number for due in _due(site)]
    assert numbers == [1, 2, 3, 4]
