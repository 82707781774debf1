"""Who was not let in, in words: what stands in `auscult status`, `doctor`, the page and the metrics."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydicom.uid import UID

from service.ledger import Ledger, RecordedRefusal
from service.settings import Settings
from service.vocabulary.refusals import Refusal, RefusalReason

#: What did not come again for longer is history.
SHOWN_FOR = timedelta(days=7)
_CLASSES_SHOWN = 3
_WHY = {
    RefusalReason.ADDRESS: "its address is not in listener.allowed_addresses; add it there",
    RefusalReason.TLS: "its TLS handshake failed; listener.tls.ca names whose certificates are accepted",
    RefusalReason.CALLED_AE_TITLE: "it calls another AE title than ours; call listener.ae_title, or change that",
    RefusalReason.CALLING_AE_TITLE: "its AE title is not in listener.allowed_ae_titles; add it there",
    RefusalReason.CERTIFICATE: "listener.tls.allowed_certificates does not name its certificate for this AE title",
    RefusalReason.USER: "it brings no user name and passcode that listener.users knows",
    RefusalReason.PEER_LIMIT: "it had as many associations as listener.maximum_associations_per_peer allows",
    RefusalReason.LIMIT: "there were as many associations as listener.maximum_associations allows",
    RefusalReason.MALFORMED: "its request breaks the rules of PS3.8; its maker has to mend it",
    RefusalReason.SOP_CLASS: 'such objects are not taken; listener.other_objects = "record" takes them',
    RefusalReason.TRANSFER_SYNTAX: "it offers no transfer syntax that is taken; see the conformance statement",
    RefusalReason.UNCHECKED: "the check itself broke; the log says how",
}


@dataclass(frozen=True)
class RefusedCaller:
    """One peer that was refused for one reason.

    Attributes
    ----------
    what
        "association", "connection", or the SOP classes of the presentation contexts that were refused.
    why
        The reason and what would admit it; `setting` is the setting's name alone, None where none does.
    """

    reason: RefusalReason
    address: str
    calling_ae_title: str
    called_ae_title: str
    what: str
    why: str
    setting: str | None
    count: int
    last_at: datetime

    @property
    def who(self) -> str:
        """The peer in words."""
        return f"{self.calling_ae_title} at {self.address}" if self.calling_ae_title else self.address

    @property
    def sentence(self) -> str:
        """Who was refused what, how often, and when last."""
        times = "once" if self.count == 1 else f"{self.count} times"
        return f"{self.who} was refused {times}, last {self.last_at.astimezone():%Y-%m-%d %H:%M:%S} ({self.what})"


def refused_callers(ledger: Ledger, now: datetime, shown_for: timedelta = SHOWN_FOR) -> list[RefusedCaller]:
    """Return who was refused lately, the latest first; a peer's refused presentation contexts are one line."""
    grouped: dict[tuple[RefusalReason, str, str, str], list[RecordedRefusal]] = defaultdict(list)
    for row in ledger.refusals.recent(now - shown_for):
        refusal = row.refusal
        key = (refusal.reason, refusal.address, refusal.calling_ae_title, refusal.called_ae_title)
        grouped[key].append(row)
    return [_caller(rows) for rows in grouped.values()]


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


def _caller(rows: list[RecordedRefusal]) -> RefusedCaller:
    latest: Refusal = rows[0].refusal
    what = "association" if latest.calling_ae_title else "connection"
    # A context's count is that of its associations: the largest tells how often the peer tried.
    count = max(row.count for row in rows)
    if latest.reason.is_of_context:
        names = sorted(UID(row.refusal.sop_class_uid).name for row in rows)
        more = f" and {len(names) - _CLASSES_SHOWN} more" if len(names) > _CLASSES_SHOWN else ""
        what = f"{', '.join(names[:_CLASSES_SHOWN])}{more}"
    return RefusedCaller(
        reason=latest.reason,
        address=latest.address,
        calling_ae_title=latest.calling_ae_title,
        called_ae_title=latest.called_ae_title,
        what=what,
        why=_WHY[latest.reason],
        setting=latest.reason.setting,
        count=count,
        last_at=max(row.last_at for row in rows),
    )
