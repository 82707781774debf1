"""What a person has to see to, in words and with its remedy: what stands above the worklist and in `auscult status`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.ledger import Ledger
from service.ledger.turnarounds import Late
from service.ledger.views import StatusView
from service.settings import TurnaroundSettings
from service.texts import Texts
from service.vocabulary.facts import Failure
from service.vocabulary.states import CommitmentState, DeliveryState, Priority
from service.wording import duration

#: An image that waits longer than this for its analysis means that no worker runs, or that it is overrun.
_LONG = timedelta(minutes=2)
#: A report that waits longer means no delivery worker, or a destination that is away or not in the settings any more.
_LONG_UNSENT = timedelta(minutes=15)


@dataclass(frozen=True)
class Alarm:
    """Something that a person has to see to.

    Attributes
    ----------
    remedy
        The command that mends it or says more.
    study_instance_uid
        The study it is about, when it is about one.
    """

    text: str
    remedy: str
    study_instance_uid: str | None = None


def alarms_of(say: Texts, ledger: Ledger, wanted: TurnaroundSettings, status: StatusView, now: datetime) -> list[Alarm]:
    """Return what a person has to see to at a site, the gravest first."""
    return alarms(say, status, now, ledger.turnarounds.late(wanted.targets, wanted.least), wanted.unread_targets)


def alarms(
    say: Texts,
    status: StatusView,
    now: datetime,
    late: Sequence[Late] = (),
    unread_targets: Mapping[Priority, timedelta] | None = None,
) -> list[Alarm]:
    """Return what a person has to see to, the gravest first.

    Parameters
    ----------
    unread_targets
        How long a study may stand unread, by its priority; of others nothing is said.
    """
    return [
        *_held(say, status),
        *_given_up(say, status),
        *_untaken(say, status, now),
        *_waiting(say, status, now),
        *_unread(say, status, now, unread_targets or {}),
        *_unanswered(say, status, now),
        *_late(say, late),
        *_drifting(say, status),
    ]


def _held(say: Texts, status: StatusView) -> Iterator[Alarm]:
    for uid, why in status.held_studies.items():
        yield Alarm(say("alarm.study_held", hold=say.of(why)), f"auscult release {uid}", uid)


def _given_up(say: Texts, status: StatusView) -> Iterator[Alarm]:
    for failure, code in {
        Failure.ANALYSIS_FAILED: "alarm.analysis_failed",
        Failure.REPORT_FAILED: "alarm.report_failed",
        Failure.STUDY_REPORT_FAILED: "alarm.study_report_failed",
    }.items():
        count = status.failures.get(failure, 0)
        if count:
            yield Alarm(say.number_of(code, count), "auscult retry")
    for destination, counts in status.outbox.items():
        dead = counts.get(DeliveryState.DEAD, 0)
        if dead:
            yield Alarm(say.number_of("alarm.delivery_failed", dead, destination=destination), "auscult retry")


def _untaken(say: Texts, status: StatusView, now: datetime) -> Iterator[Alarm]:
    for destination, view in status.untaken.items():
        span = duration(say, now - view.since)
        yield Alarm(say.number_of("alarm.untaken", view.count, destination=destination, span=span), "auscult doctor")


def _waiting(say: Texts, status: StatusView, now: datetime) -> Iterator[Alarm]:
    for since, bound, code in (
        (status.oldest_waiting_since, _LONG, "alarm.unanalysed_for_long"),
        (status.oldest_unsent_since, _LONG_UNSENT, "alarm.unsent_for_long"),
    ):
        if since is not None and now - since > bound:
            yield Alarm(say(code, span=duration(say, now - since)), "auscult doctor")


def _unread(say: Texts, status: StatusView, now: datetime, targets: Mapping[Priority, timedelta]) -> Iterator[Alarm]:
    """Yield the priorities of which a study stands unread; what is never read is in no figure of readings."""
    for priority, since in status.oldest_unread_since.items():
        target = targets.get(priority)
        if target is not None and now - since > target:
            spans = {"span": duration(say, now - since), "target": duration(say, target)}
            yield Alarm(say("alarm.unread", priority=say.of(priority), **spans), "auscult worklist")


def _drifting(say: Texts, status: StatusView) -> Iterator[Alarm]:
    """Yield what has changed about the images of a machine."""
    for one in status.drifting:
        text = say(
            "alarm.drift",
            machine=one.machine or f"#{one.machine_id}",
            view=one.view_position or say("machines.no_view"),
            band=say.of(one.kvp_band),
            checkpoint=one.checkpoint or say("page.none"),
            what=say.of(one.characteristic),
            since=f"{one.since.astimezone():%Y-%m-%d %H:%M}",
        )
        yield Alarm(text, "auscult machines")


def _unanswered(say: Texts, status: StatusView, now: datetime) -> Iterator[Alarm]:
    """Yield what is amiss with the answers to peers that ask for storage commitment."""
    dead = status.commitment_requests.get(CommitmentState.DEAD, 0)
    if dead:
        yield Alarm(say.number_of("alarm.commitment_dead", dead), "auscult retry")
    since = status.oldest_unanswered_since
    if since is not None and now - since > _LONG_UNSENT:
        yield Alarm(say("alarm.commitment_for_long", span=duration(say, now - since)), "auscult doctor")


def _late(say: Texts, late: Sequence[Late]) -> Iterator[Alarm]:
    for one in late:
        took, target = duration(say, one.turnaround.p95), duration(say, one.target)
        text = say(f"alarm.late.{one.turnaround.figure}", source=one.source, took=took, target=target)
        yield Alarm(text, "auscult status")
