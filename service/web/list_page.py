"""The list as a page and as JSON: what stands on it, and everything that leads to another part of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from service.alarms import alarms_of
from service.ledger import Ledger
from service.ledger.reading_list import MOST
from service.refused import refused_callers
from service.settings import Settings
from service.texts import Texts
from service.vocabulary.facts import Day, Shelf, Sort, Standing
from service.vocabulary.states import Priority
from service.web.list_address import QUERY, Address, address_of, midnights, number
from service.wording import json_value
from service.worklist import Row, rows_of

#: Studies on one page.
PAGE = 100
#: What the JSON of the list takes, and what stands in it.
LISTED_QUERY = {
    **QUERY,
    "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
    "offset": {"type": "integer", "minimum": 0, "maximum": 10_000_000},
}
LISTED = {"notice": str, "studies": int, "rows": list[Row]}


class ListPage:
    """What the list's templates and the API are given."""

    def __init__(self, settings: Settings, ledger: Ledger, say: Texts) -> None:
        self._days = settings.worklist.days
        self._searched = settings.web.searched
        self._turnaround = settings.turnaround
        self._ledger = ledger
        self._say = say

    def values(self, query: Mapping[str, str], now: datetime) -> dict[str, Any]:
        """Return the values of the templates.

        Raises
        ------
        Problem
            When the query says what cannot be.
        """
        address = address_of(query)
        reading_list, status = self._ledger.reading_list, self._ledger.inspection.status()
        wanted = address.wanted(now, self._days, self._searched)
        page = reading_list.page(PAGE, (address.page - 1) * PAGE, wanted)
        pages = max(-(-page.total // PAGE), 1)
        if address.page > pages:  # an open page whose studies were read meanwhile: no empty list where there are some
            address = replace(address, page=pages)
            page = reading_list.page(PAGE, (pages - 1) * PAGE, wanted)
        return {
            "rows": rows_of(self._say, reading_list, page.studies, now, (address.page - 1) * PAGE + 1),
            "total": page.total,
            "is_more": page.total == MOST,
            "pages": pages,
            "address": address,
            "days": self._days_of(now) if address.shelf is Shelf.OPEN else [],
            "status": status,
            "alarms": alarms_of(self._say, self._ledger, self._turnaround, status, now),
            "searched_days": self._days if address.text and address.is_recent else 0,
            "older": address.at(day=Day.ALL),
            "read": address.at(shelf=Shelf.READ),
            "refused": refused_callers(self._say, self._ledger, now),
            "is_shadowed": bool(self._ledger.shadow.standing()),
            "now": now,
        }

    def choices(self, shelf: Shelf) -> dict[str, Any]:
        """Return what the filters of a shelf offer."""
        return {
            "shelves": list(Shelf),
            "standings": list(Standing),
            "priorities": sorted(Priority, reverse=True),
            "sorts": list(Sort),
            "sources": self._ledger.reading_list.sources(shelf),
            "searched": self._searched,
        }

    def json(self, query: Mapping[str, str], now: datetime) -> dict[str, Any]:
        """Return the list as JSON knows it; it goes back as far as there are studies unless a day is named.

        Raises
        ------
        Problem
            When the query says what cannot be.
        """
        limit = number(query, "limit", PAGE, least=1, most=1000)
        offset = number(query, "offset", 0, least=0, most=10_000_000)
        address: Address = address_of({"day": Day.ALL, **query})
        reading_list = self._ledger.reading_list
        page = reading_list.page(limit, offset, address.wanted(now, self._days, self._searched))
        listed = rows_of(self._say, reading_list, page.studies, now, offset + 1)
        return {"notice": self._say("worklist.banner"), "studies": page.total, "rows": json_value(listed)}

    def _days_of(self, now: datetime) -> list[tuple[Day, int]]:
        """Return how many open studies arrived on which days; those that are left out by themselves last."""
        older, recent, yesterday, today = self._ledger.reading_list.arrived(midnights(now, self._days))
        counts = [(Day.TODAY, today), (Day.YESTERDAY, yesterday)]
        if self._days:
            counts = [(Day.RECENT, recent + yesterday + today), *counts, (Day.OLDER, older)]
        return [*counts, (Day.ALL, older + recent + yesterday + today)]
