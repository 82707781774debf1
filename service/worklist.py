"""The reading worklist in words: what stands in each row, and why it stands there.

Silence never reads as normal: whatever is not analysed, waits, failed or is held says so, and outranks a negative one.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.ledger.inspection import Inspection
from service.ledger.views import InstanceView, ResultView, StatusView, StudyView
from service.report.content import percent
from service.vocabulary.facts import Failure, Flag, Hold, PrioritySource
from service.vocabulary.findings import Outcome
from service.vocabulary.states import CommitmentState, DeliveryState, Priority, State
from service.wording import calendar_date, duration, in_words, person_name, reason_in_words

NO_PATTERN = "No pneumonia pattern found by AI; other abnormalities NOT assessed"
#: What stands over every table of results.
BANNER = "AI triage results: research use only, not a medical device, not a radiologist report"


class Standing(StrEnum):
    """How far the AI got with a study or an image; the first that applies to one of its images is the study's."""

    HELD = "held"
    POSITIVE = "positive"
    INDETERMINATE = "indeterminate"
    FAILED = "failed"
    WAITING = "waiting"
    NOT_ANALYSED = "not analysed"
    NEGATIVE = "negative"


_BY_OUTCOME = {
    Outcome.POSITIVE: Standing.POSITIVE,
    Outcome.INDETERMINATE: Standing.INDETERMINATE,
    Outcome.NEGATIVE: Standing.NEGATIVE,
    Outcome.NOT_ANALYSED: Standing.NOT_ANALYSED,
}
_ORDER = list(Standing)


@dataclass(frozen=True)
class Answer:
    """What the AI says of an image, or of a study through the image that matters most.

    Attributes
    ----------
    sentence
        For a reader; never empty, and never "normal".
    p_pneumonia, lower, upper, prevalence
        Calibrated probability, the indeterminate band and the assumed share of pneumonia, each in [0, 1];
        None without a prediction.
    checkpoint_version
        Of the network that it is from; None without a prediction.
    """

    standing: Standing
    sentence: str
    p_pneumonia: float | None = None
    lower: float | None = None
    upper: float | None = None
    prevalence: float | None = None
    checkpoint_version: str | None = None


@dataclass(frozen=True)
class Delivered:
    """How far the reports of a study are on their way to one destination."""

    destination: str
    state: DeliveryState
    objects: int
    done: int


@dataclass(frozen=True)
class Row:
    """One study of the worklist.

    Attributes
    ----------
    number
        Place in the order of reading, from 1.
    also
        What the AI says of the study's other images, where it differs.
    waited
        Time since the study's first image arrived.
    """

    number: int
    study_instance_uid: str
    patient_name: str
    patient_id: str
    birth_date: str
    sex: str
    accession_number: str
    priority: Priority
    priority_source: PrioritySource
    arrived_at: datetime
    waited: timedelta
    images: int
    answer: Answer
    also: tuple[str, ...]
    flags: tuple[Flag, ...]
    deliveries: tuple[Delivered, ...]
    held: bool


def rows(inspection: Inspection, now: datetime, limit: int, offset: int = 0) -> list[Row]:
    """Return the worklist in the order of reading."""
    studies = inspection.worklist(limit, offset)
    return [row_of(study, number, now) for number, study in enumerate(studies, offset + 1)]


def row_of(study: StudyView, number: int, now: datetime) -> Row:
    """Return a study as a row."""
    identity = study.instances[-1].identity if study.instances else None
    # Two patients under one study: to show one name alone would hide what the alarm is about.
    names = dict.fromkeys(person_name(view.identity.patient_name) for view in study.instances)
    ids = dict.fromkeys(view.identity.patient_id for view in study.instances)
    several = study.hold is not None
    answer, also = answer_of_study(study)
    return Row(
        number=number,
        study_instance_uid=study.study_instance_uid,
        patient_name=" / ".join(names) if several else person_name(identity.patient_name) if identity else "",
        patient_id=" / ".join(ids) if several else identity.patient_id if identity else "",
        birth_date=calendar_date(identity.birth_date) if identity else "",
        sex=identity.sex if identity else "",
        accession_number=identity.accession_number if identity else "",
        priority=study.priority,
        priority_source=study.priority_source,
        arrived_at=study.first_received_at,
        waited=max(now - study.first_received_at, timedelta(0)),
        images=len(study.instances),
        answer=answer,
        also=also,
        flags=tuple(dict.fromkeys(flag for view in study.instances for flag in view.flags)),
        deliveries=tuple(_delivered(study.deliveries)),
        held=study.hold is not None,
    )


def answer_of_study(study: StudyView) -> tuple[Answer, tuple[str, ...]]:
    """Return the answer that matters most, and the sentences of the study's other images where they differ."""
    answers = sorted((answer_of(view) for view in study.instances), key=_weight)
    if study.hold is not None:
        answers.insert(0, Answer(Standing.HELD, f"HELD: {in_words(study.hold)}"))
    if not answers:
        return Answer(Standing.NOT_ANALYSED, "NOT ANALYSED: no image of this study is in force"), ()
    counts = Counter(answer.sentence for answer in answers)
    first = answers[0]
    others = [sentence for sentence in counts if sentence != first.sentence]
    return first, tuple(
        f"{sentence} ({counts[sentence]} images)" if counts[sentence] > 1 else sentence for sentence in others
    )


def answer_of(view: InstanceView) -> Answer:
    """Return what the AI says of one image."""
    if view.state is State.HELD:
        return Answer(Standing.HELD, f"HELD: {in_words(view.hold or Hold.CLASHING_INSTANCE)}")
    if view.state in (State.RECEIVED, State.CLAIMED):
        attempt = f", attempt {view.attempts} of it failed" if view.attempts and view.state is State.RECEIVED else ""
        return Answer(Standing.WAITING, f"{'being analysed' if view.state is State.CLAIMED else 'waiting'}{attempt}")
    if view.result is not None:
        return _answer_of_result(view.result)
    if view.state is State.FAILED:
        return Answer(Standing.FAILED, f"FAILED: {view.detail or reason_in_words(view.reason)}; NOT ANALYSED")
    return Answer(Standing.NOT_ANALYSED, f"NOT ANALYSED: {reason_in_words(view.reason)}")


def _answer_of_result(result: ResultView) -> Answer:
    probability = percent(result.p_pneumonia, (result.lower, result.upper))
    sentences = {
        Outcome.POSITIVE: f"PNEUMONIA SUSPECTED {probability}",
        Outcome.INDETERMINATE: f"INDETERMINATE {probability}, neither suspected nor excluded",
        Outcome.NEGATIVE: NO_PATTERN,
        Outcome.NOT_ANALYSED: "NOT ANALYSED",
    }
    return Answer(
        standing=_BY_OUTCOME[result.outcome],
        sentence=sentences[result.outcome],
        p_pneumonia=result.p_pneumonia,
        lower=result.lower,
        upper=result.upper,
        prevalence=result.prevalence,
        checkpoint_version=result.checkpoint_version,
    )


def _weight(answer: Answer) -> tuple[int, float]:
    return _ORDER.index(answer.standing), -(answer.p_pneumonia or 0.0)


def _delivered(deliveries: Mapping[str, Mapping[DeliveryState, int]]) -> Iterator[Delivered]:
    """Yield the least advanced state of each destination: one dead object outweighs all others."""
    order = (
        DeliveryState.DEAD,
        DeliveryState.PENDING,
        DeliveryState.SENT,
        DeliveryState.UNCONFIRMABLE,
        DeliveryState.CONFIRMED,
    )
    for destination, counts in deliveries.items():
        state = next((state for state in order if counts.get(state)), None)
        if state is not None:
            done = sum(counts.get(later, 0) for later in order[2:])
            yield Delivered(destination, state, sum(counts.values()), done)


@dataclass(frozen=True)
class Alarm:
    """Something that a person has to see to.

    Attributes
    ----------
    study_instance_uid
        The study it is about, when it is about one.
    """

    text: str
    remedy: str
    study_instance_uid: str | None = None


#: An image that waits longer than this for its analysis means that no worker runs, or that it is overrun.
_LONG = timedelta(minutes=2)
#: A report that waits longer means no delivery worker, or a destination that is away or not in the settings any more.
_LONG_UNSENT = timedelta(minutes=15)


def alarms(status: StatusView, now: datetime) -> list[Alarm]:
    """Return what a person has to see to, the gravest first."""
    found = [
        Alarm(f"Study on hold: {in_words(why)}. Nothing of it is sent.", f"auscult release {uid}", uid)
        for uid, why in status.held_studies.items()
    ]
    failed = status.failures.get(Failure.ANALYSIS_FAILED, 0)
    if failed:
        found.append(Alarm(f"{failed} image{'s' if failed > 1 else ''} could not be analysed.", "auscult retry"))
    unbuilt = status.failures.get(Failure.REPORT_FAILED, 0)
    if unbuilt:
        found.append(
            Alarm(f"The reports of {unbuilt} image{'s' if unbuilt > 1 else ''} could not be built.", "auscult retry")
        )
    for destination, counts in status.outbox.items():
        dead = counts.get(DeliveryState.DEAD, 0)
        if dead:
            found.append(
                Alarm(
                    f"{dead} report{'s' if dead > 1 else ''} could not be delivered to {destination}.", "auscult retry"
                )
            )
    oldest = status.oldest_waiting_since
    if oldest is not None and now - oldest > _LONG:
        found.append(Alarm(f"An image has been waiting {duration(now - oldest)} for its analysis.", "auscult doctor"))
    unsent = status.oldest_unsent_since
    if unsent is not None and now - unsent > _LONG_UNSENT:
        found.append(Alarm(f"A report has been waiting {duration(now - unsent)} to be sent.", "auscult doctor"))
    found += _unanswered(status, now)
    return found


def _unanswered(status: StatusView, now: datetime) -> list[Alarm]:
    """Return what is amiss with the answers to peers that ask for storage commitment."""
    found = []
    dead = status.commitment_requests.get(CommitmentState.DEAD, 0)
    if dead:
        found.append(
            Alarm(f"{dead} storage commitment{'s' if dead > 1 else ''} could not be answered.", "auscult retry")
        )
    since = status.oldest_unanswered_since
    if since is not None and now - since > _LONG_UNSENT:
        found.append(
            Alarm(
                f"A peer has been waiting {duration(now - since)} for the answer to its storage commitment; "
                "it must be one of `peers`.",
                "auscult doctor",
            )
        )
    return found
