"""The page of agreement: how often people say that a result is right, with intervals."""

from starlette.requests import Request
from starlette.responses import Response

from service.agreement import agreement, group_words, share_words
from service.vocabulary.facts import Grouping, Opinion
from service.web.site import Site


class AgreementPage:
    """The handler."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, _request: Request) -> Response:
        """Answer with the page; it names no patient and no person."""
        site = self._site
        counted = site.ledger.feedback.counted()
        tables = [
            (grouping, [(group_words(site.say, grouping, row.group), *share_words(row), row) for row in rows])
            for grouping in Grouping
            if (rows := agreement(counted, grouping))
        ]
        return site.page("agreement.html", tables=tables, opinions=list(Opinion))
