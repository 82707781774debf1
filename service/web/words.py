"""How values look on a page: the filters of the templates."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from service.report.content import percent
from service.vocabulary.report_kinds import PICTURES, ReportKind
from service.wording import calendar_date, duration, in_words, person_name, reason_in_words


def clock_time(moment: datetime | None, now: datetime | None = None) -> str:
    """Return a moment in this machine's time zone; with the day unless it is today's; to the second without `now`."""
    if moment is None:
        return ""
    local = moment.astimezone()
    if now is None:
        return f"{local:%Y-%m-%d %H:%M:%S}"
    return f"{local:%H:%M}" if local.date() == now.astimezone().date() else f"{local.day} {local:%b %H:%M}"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "clock_time": clock_time,
    "duration": duration,
    "percent": percent,
    "person_name": person_name,
    "calendar_date": calendar_date,
    "reason": reason_in_words,
    # A percent sign never stands alone on a line.
    "unbroken": lambda sentence: sentence.replace(" %", "\N{NO-BREAK SPACE}%"),
    "words": in_words,
    "kind": lambda kind: in_words(ReportKind(kind)),
    "is_picture": lambda kind: kind in PICTURES,
    "delivery": in_words,
    "slug": lambda text: str(text).lower().replace(" ", "-"),
    "hexadecimal": lambda status: f"0x{status:04X}",
    "mebibytes": lambda size: f"{size / 1024**2:.1f} MiB" if size >= 1024**2 else f"{size / 1024:.0f} KiB",
}
