"""What `auscult doctor` says of the clock."""

from datetime import timedelta

from service.cli.found import Found
from service.ledger import Timekeeping
from service.ledger.database import connect, tables_problem
from service.process.clock import utc_now
from service.settings import Settings
from service.texts import Sentence
from service.vocabulary.errors import Unavailable


def clock(settings: Settings) -> Found:
    """Tell whether a machine's clock was set within the last day, or this one's is behind what the ledger says."""
    engine = connect(settings.database_url)
    try:
        if tables_problem(engine) is not None:
            return  # the check of the database says so
        found = Timekeeping(engine, utc_now, timedelta(seconds=settings.work_items.claim_limit)).view()
        yield Sentence("check.clock"), found.ahead is None, found.sentence
    except Unavailable as error:
        yield Sentence("check.clock"), False, error
    finally:
        engine.dispose()
