"""The reading worklist in words: what stands in each row, and why it stands there.

Silence never reads as normal: whatever is not analysed, waits, failed or is held says so, and outranks a negative one.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from service.ledger import ReadingList
from service.ledger.reading_list import Overtaking
from service.ledger.views import InstanceView, ReadingView, ResultView, StudyView
from service.report.content import percent
from service.texts import Texts
from service.vocabulary.facts import Flag, Hold, PrioritySource, Reason, Standing
from service.vocabulary.findings import Outcome
from service.vocabulary.states import DeliveryState, Priority, State
from service.wording import calendar_date, person_name, reason_in_words

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
    changed_at
        When the last of its images, or of their results, came.
    reading
        That a person has read it; None while it is open.
    claimed_by
        AE title of the workstation that reads it just now.
    boost
        By how much its priority moves it forward: it is read as if it had arrived so much earlier.
    overtakable_until
        What arrives from this moment on cannot be read before it.
    overtaking
        How many it has overtaken, and how many have overtaken it.
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
    changed_at: datetime
    images: int
    answer: Answer
    also: tuple[str, ...]
    flags: tuple[Flag, ...]
    deliveries: tuple[Delivered, ...]
    held: bool
    reading: ReadingView | None
    claimed_by: str | None
    boost: timedelta
    overtakable_until: datetime | None = None
    overtaking: Overtaking | None = None


def rows(say: Texts, reading_list: ReadingList, now: datetime, limit: int, offset: int = 0) -> list[Row]:
    """Return the worklist in the order of reading."""
    return rows_of(say, reading_list, reading_list.page(limit, offset).studies, now, offset + 1)


def rows_of(
    say: Texts, reading_list: ReadingList, studies: Sequence[StudyView], now: datetime, first: int = 1
) -> list[Row]:
    """Return studies as rows, numbered from `first`."""
    overtaking, order = reading_list.overtaking(studies), reading_list.order
    return [
        replace(
            row_of(say, study, number, now),
            overtakable_until=order.overtakable_until(study.reading_rank_at),
            overtaking=overtaking.get(study.id),
        )
        for number, study in enumerate(studies, first)
    ]


def row_of(say: Texts, study: StudyView, number: int, now: datetime) -> Row:
    """Return a study as a row, by itself."""
    identity = study.instances[-1].identity if study.instances else None
    # Two patients under one study: to show one name alone would hide what the alarm is about.
    names = dict.fromkeys(person_name(view.identity.patient_name) for view in study.instances)
    ids = dict.fromkeys(view.identity.patient_id for view in study.instances)
    several = study.hold is not None
    answer, also = answer_of_study(say, study)
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
        changed_at=max(_moments(study)),
        images=len(study.instances),
        answer=answer,
        also=also,
        flags=tuple(dict.fromkeys(flag for view in study.instances for flag in view.flags)),
        deliveries=tuple(_delivered(study.deliveries)),
        held=study.hold is not None,
        reading=study.reading,
        claimed_by=study.claimed_by,
        boost=study.first_received_at - study.reading_rank_at,
    )


def _moments(study: StudyView) -> Iterator[datetime]:
    yield study.first_received_at
    for view in study.instances:
        yield from (moment for moment in (view.received_at, view.analysed_at) if moment is not None)


def answer_of_study(say: Texts, study: StudyView) -> tuple[Answer, tuple[str, ...]]:
    """Return the answer that matters most, and the sentences of the study's other images where they differ."""
    answers = sorted((answer_of(say, view) for view in study.instances), key=_weight)
    if study.hold is not None:
        answers.insert(0, _held(say, study.hold))
    if not answers:
        return Answer(Standing.NOT_ANALYSED, say("answer.no_image")), ()
    counts = Counter(answer.sentence for answer in answers)
    first = answers[0]
    others = [sentence for sentence in counts if sentence != first.sentence]
    return first, tuple(
        say("answer.several", sentence=sentence, count=counts[sentence]) if counts[sentence] > 1 else sentence
        for sentence in others
    )


def answer_of(say: Texts, view: InstanceView) -> Answer:
    """Return what the AI says of one image."""
    if view.state is State.HELD:
        return _held(say, view.hold or Hold.CLASHING_INSTANCE)
    if view.state is State.CLAIMED:
        return Answer(Standing.WAITING, say("answer.being_analysed"))
    if view.state is State.RECEIVED:
        failed = view.attempts
        return Answer(
            Standing.WAITING, say.number_of("answer.waiting_again", failed) if failed else say("answer.waiting")
        )
    if view.result is not None:
        return _answer_of_result(say, view.result)
    return _without_result(say, view)


def _without_result(say: Texts, view: InstanceView) -> Answer:
    reason = reason_in_words(say, view.reason)
    if view.state is State.FAILED:
        return Answer(Standing.FAILED, say("answer.failed", reason=reason))
    if view.reason == Reason.PERSON_DISAGREED:
        return Answer(Standing.NOT_ANALYSED, say("report.withdrawn"))
    return Answer(Standing.NOT_ANALYSED, say("answer.not_analysed", reason=reason))


def _held(say: Texts, hold: Hold) -> Answer:
    return Answer(Standing.HELD, say("answer.held", hold=say.of(hold)))


def _answer_of_result(say: Texts, result: ResultView) -> Answer:
    probability = percent(result.p_pneumonia, (result.lower, result.upper))
    return Answer(
        standing=_BY_OUTCOME[result.outcome],
        sentence=say(f"answer.result.{result.outcome.name.lower()}", probability=probability),
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
        DeliveryState.ABANDONED,
        DeliveryState.SENT,
        DeliveryState.UNCONFIRMABLE,
        DeliveryState.CONFIRMED,
    )
    for destination, counts in deliveries.items():
        state = next((state for state in order if counts.get(state)), None)
        if state is not None:
            done = sum(counts.get(later, 0) for later in order[3:])
            yield Delivered(destination, state, sum(counts.values()), done)
