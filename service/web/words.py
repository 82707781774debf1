"""How values look on a page: the filters of the templates."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from service.report.content import percent, share_text
from service.texts import Texts
from service.vocabulary.facts import EventKind
from service.vocabulary.report_kinds import PICTURE_KINDS, ReportKind
from service.wording import calendar_date, detail_in_words, duration, person_name, reason_in_words


def clock_time(moment: datetime | None, now: datetime | None = None) -> str:
    """Return a moment in this machine's time zone; with the day unless it is today's; to the second without `now`.

    The day is written as ISO 8601 does, which every language reads alike.
    """
    if moment is None:
        return ""
    local = moment.astimezone()
    if now is None:
        return f"{local:%Y-%m-%d %H:%M:%S}"
    return f"{local:%H:%M}" if local.date() == now.astimezone().date() else f"{local:%Y-%m-%d %H:%M}"


def _unbroken(sentence: str) -> str:
    """Return a sentence in which a percent sign never stands alone on a line."""
    return sentence.replace(" %", "\N{NO-BREAK SPACE}%")


def filters(say: Texts) -> Mapping[str, Callable[..., Any]]:
    """Return the filters of pages in a language."""
    return {
        "clock_time": clock_time,
        "duration": partial(duration, say),
        "percent": percent,
        "share": lambda share: _unbroken(share_text(share)),
        "person_name": person_name,
        "calendar_date": calendar_date,
        "reason": partial(reason_in_words, say),
        "unbroken": _unbroken,
        "words": say.of,
        "kind": lambda kind: say.of(ReportKind(kind)),
        "is_picture": lambda kind: kind in PICTURE_KINDS,
        "detail": partial(detail_in_words, say),
        "event": partial(say.of_stored, EventKind),
        "slug": lambda text: str(text).lower().replace(" ", "-"),
        "hexadecimal": lambda status: f"0x{status:04X}",
        "mebibytes": lambda size: f"{size / 1024**2:.1f} MiB" if size >= 1024**2 else f"{size / 1024:.0f} KiB",
    }
