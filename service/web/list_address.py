"""The list's address: filters, sort and page, all of them in the URL."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlencode

from service.ledger.reading_list import Wanted
from service.vocabulary.facts import Day, Searched, Shelf, Sort, Standing
from service.vocabulary.states import Priority
from service.web.contract import TEXT, Schema
from service.web.problem import Problem

_E = TypeVar("_E", bound=StrEnum)
_MOST_TEXT = 64

#: The parts of a list's address that its document tells of.
QUERY: Mapping[str, Schema] = {
    "show": {"enum": list(Shelf)},
    "answer": {"enum": list(Standing)},
    "priority": {"enum": [priority.name.lower() for priority in Priority]},
    "from": TEXT,
    "day": {"enum": list(Day)},
    "q": TEXT,
    "sort": {"enum": list(Sort)},
    "page": {"type": "integer", "minimum": 1, "maximum": 100_000},
}


@dataclass(frozen=True)
class Address:
    """What the URL of a list says; each part is left out of it where it says nothing.

    Attributes
    ----------
    source
        Calling AE title of one of a study's images.
    """

    shelf: Shelf = Shelf.OPEN
    answer: Standing | None = None
    priority: Priority | None = None
    source: str = ""
    day: Day = Day.RECENT
    text: str = ""
    sort: Sort = Sort.RANK
    page: int = 1

    @property
    def query(self) -> str:
        """The query of the URL."""
        parts = {
            "show": self.shelf.value if self.shelf is not Shelf.OPEN else "",
            "answer": self.answer.value if self.answer is not None else "",
            "priority": self.priority.name.lower() if self.priority is not None else "",
            "from": self.source,
            "day": self.day.value if self.day is not Day.RECENT else "",
            "q": self.text,
            "sort": self.sort.value if self.sort is not Sort.RANK else "",
            "page": str(self.page) if self.page > 1 else "",
        }
        return urlencode({name: value for name, value in parts.items() if value})

    def at(self, **parts: object) -> str:
        """Return the URL with some parts changed; it shows the first page unless it names another."""
        return f"/?{replace(self, **{'page': 1, **parts}).query}"  # type: ignore[arg-type]

    @property
    def is_filtered(self) -> bool:
        """Whether it shows a part of its shelf that a person chose."""
        return replace(self, page=1, sort=Sort.RANK, shelf=Shelf.OPEN, day=Day.RECENT) != Address()

    @property
    def is_recent(self) -> bool:
        """Whether it leaves out what arrived earlier, though nobody has read it."""
        return self.shelf is Shelf.OPEN and self.day is Day.RECENT

    def wanted(self, now: datetime, days: int, searched: tuple[Searched, ...]) -> Wanted:
        """Return what the ledger is asked for.

        Parameters
        ----------
        days
            Calendar days that the list goes back; 0 for all.
        searched
            What free text may be looked for in; empty for no search.
        """
        first, before = _span(self.day if self.shelf is Shelf.OPEN else Day.ALL, now, days)
        return Wanted(
            shelf=self.shelf,
            source=self.source or None,
            priority=self.priority,
            standing=self.answer,
            arrived_from=first,
            arrived_before=before,
            text=self.text if searched else "",
            searched=searched,
            sort=self.sort,
        )


def address_of(query: Mapping[str, str]) -> Address:
    """Read a URL's query.

    Raises
    ------
    Problem
        When a part of it says what cannot be.
    """
    return Address(
        shelf=_member(Shelf, query, "show") or Shelf.OPEN,
        answer=_member(Standing, query, "answer"),
        priority=_priority(query.get("priority", "")),
        source=ae_title(query, "from"),
        day=_member(Day, query, "day") or Day.RECENT,
        text=_without_nul(query.get("q", ""))[:_MOST_TEXT].strip(),
        sort=_member(Sort, query, "sort") or Sort.RANK,
        page=number(query, "page", 1, least=1, most=100_000),
    )


def ae_title(query: Mapping[str, str], name: str) -> str:
    """Read an AE title of a URL's query, empty where there is none (PS3.5 section 6.2, AE)."""
    return _without_nul(query.get(name, ""))[:16].strip()


def _without_nul(text: str) -> str:
    return text.replace("\0", "")  # which PostgreSQL does not take


def number(query: Mapping[str, str], name: str, default: int, *, least: int, most: int) -> int:
    """Read a whole number of a URL's query.

    Raises
    ------
    Problem
        When it is none, or lies outside the bounds.
    """
    text = query.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,8}", text) or not least <= int(text) <= most:
        raise Problem(HTTPStatus.BAD_REQUEST, "problem.number", name=name, least=least, most=most)
    return int(text)


def midnights(now: datetime, days: int) -> list[datetime]:
    """Return when the list begins, and when yesterday and today began, in this machine's time zone."""
    today = now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    return [_days_before(today, number) for number in (max(days - 1, 1), 1, 0)]


def _days_before(midnight: datetime, days: int) -> datetime:
    # Of the calendar: a day of 23 or 25 hours is one day.
    return (midnight.replace(tzinfo=None) - timedelta(days=days)).astimezone()


def _span(day: Day, now: datetime, days: int) -> tuple[datetime | None, datetime | None]:
    oldest, yesterday, today = midnights(now, days)
    return {
        Day.RECENT: (oldest if days else None, None),
        Day.TODAY: (today, None),
        Day.YESTERDAY: (yesterday, today),
        Day.OLDER: (None, oldest),
        Day.ALL: (None, None),
    }[day]


def _member(kind: type[_E], query: Mapping[str, str], name: str) -> _E | None:
    value = query.get(name, "")
    if not value:
        return None
    try:
        return kind(value)
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST, "problem.choice", name=name, choices=", ".join(kind)) from None


def _priority(value: str) -> Priority | None:
    names = {priority.name.lower(): priority for priority in Priority}
    if value and value not in names:
        raise Problem(HTTPStatus.BAD_REQUEST, "problem.choice", name="priority", choices=", ".join(names))
    return names.get(value)
