"""Who was not let in, in words: what stands in `auscult status`, `doctor`, the page and the metrics."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydicom.uid import UID

from service.ledger import Ledger, RecordedRefusal
from service.settings import Settings
from service.texts import Texts
from service.vocabulary.refusals import Refusal, RefusalReason

#: What did not come again for longer is history.
SHOWN_FOR = timedelta(days=7)
_CLASSES_SHOWN = 3


@dataclass(frozen=True)
class RefusedCaller:
    """One peer that was refused for one reason.

    Attributes
    ----------
    who, what, why
        The peer, what was refused, and the reason with what would admit it, in words.
    sentence
        Who was refused what, how often, and when last.
    setting
        The setting that decides, by its name; None where none does.
    """

    reason: RefusalReason
    address: str
    calling_ae_title: str
    called_ae_title: str
    who: str
    what: str
    why: str
    sentence: str
    setting: str | None
    count: int
    last_at: datetime


def refused_callers(say: Texts, ledger: Ledger, now: datetime, shown_for: timedelta = SHOWN_FOR) -> list[RefusedCaller]:
    """Return who was refused lately, the latest first; a peer's refused presentation contexts are one line."""
    grouped: dict[tuple[RefusalReason, str, str, str], list[RecordedRefusal]] = defaultdict(list)
    for row in ledger.refusals.recent(now - shown_for):
        refusal = row.refusal
        key = (refusal.reason, refusal.address, refusal.calling_ae_title, refusal.called_ae_title)
        grouped[key].append(row)
    return [_caller(say, rows) for rows in grouped.values()]


def not_mended(callers: Iterable[RefusedCaller], settings: Settings) -> list[RefusedCaller]:
    """Return those whom the settings as they are now would refuse again, as far as the settings tell."""
    listener = settings.listener
    return [
        caller
        for caller in callers
        if not (
            (caller.reason is RefusalReason.CALLING_AE_TITLE and _admits(settings, caller))
            or (caller.reason is RefusalReason.CALLED_AE_TITLE and caller.called_ae_title == listener.ae_title.strip())
            or (caller.reason is RefusalReason.SOP_CLASS and listener.other_objects == "record")
        )
    ]


def _admits(settings: Settings, caller: RefusedCaller) -> bool:
    allowed = {title.strip() for title in settings.listener.allowed_ae_titles}
    return not allowed or caller.calling_ae_title in allowed


def _caller(say: Texts, rows: list[RecordedRefusal]) -> RefusedCaller:
    latest: Refusal = rows[0].refusal
    title, address = latest.calling_ae_title, latest.address
    who = say("refused.who", title=title, address=address) if title else address
    what = _classes(say, rows) if latest.reason.is_of_context else _connected(say, latest)
    # A context's count is that of its associations: the largest tells how often the peer tried.
    count, last_at = max(row.count for row in rows), max(row.last_at for row in rows)
    moment = f"{last_at.astimezone():%Y-%m-%d %H:%M:%S}"
    return RefusedCaller(
        reason=latest.reason,
        address=address,
        calling_ae_title=title,
        called_ae_title=latest.called_ae_title,
        who=who,
        what=what,
        why=say.of(latest.reason),
        sentence=say.number_of("refused.sentence", count, who=who, moment=moment, what=what),
        setting=latest.reason.setting,
        count=count,
        last_at=last_at,
    )


def _connected(say: Texts, refusal: Refusal) -> str:
    return say("refused.association") if refusal.calling_ae_title else say("refused.connection")


def _classes(say: Texts, rows: list[RecordedRefusal]) -> str:
    """Return the SOP classes of the presentation contexts that were refused, by their names in PS3.6."""
    names = sorted(UID(row.refusal.sop_class_uid).name for row in rows)
    shown = ", ".join(names[:_CLASSES_SHOWN])
    more = len(names) - _CLASSES_SHOWN
    return say("refused.classes_and_more", classes=shown, count=more) if more > 0 else shown
