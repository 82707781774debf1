"""What `auscult doctor` says of the clock."""

from collections.abc import Iterator

from service.ledger import Timekeeping
from service.ledger.database import connect, tables_problem
from service.process.clock import utc_now
from service.settings import Settings
from service.vocabulary.errors import Unavailable


def clock(settings: Settings) -> Iterator[tuple[str, bool, str]]:
    """Tell whether a machine's clock was set within the last day, or this one's is behind what the ledger says."""
    engine = connect(settings.database_url)
    try:
        if tables_problem(engine) is not None:
            return  # the check of the database says so
        found = Timekeeping(engine, utc_now).view()
        remedy = "" if found.ahead is None else "; let all machines take their time from one server (NTP)"
        yield "clock", found.ahead is None, f"{found}{remedy}"
    except Unavailable as error:
        yield "clock", False, str(error)
    finally:
        engine.dispose()
