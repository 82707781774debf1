"""How a database would go about what the ledger asks of it, with a history of a million images behind it.

The planner goes by figures, not by rows: a few hundred rows, and the figures of a million.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event, text

from service.ledger.database import reading, writing

Statement = tuple[str, Any]

#: Tables that history fills.
_LARGE = (
    *("studies", "instances", "predictions", "reports", "deliveries", "messages", "events", "acquisitions"),
    *("accessions", "orders", "work_items", "feedback", "turnarounds"),
)
#: So many times the rows that there are; figures up to this are of what is open, or of what belongs together.
_TIMES, _OPEN = 2000, 100
#: Indexes of what is open, or on a shelf that is read in their order.
_SHORT = r"ix_(\w+_(open|held|late|due|under_way|standing|claimed_until)|studies_closed)"


@contextmanager
def statements(engine: Engine) -> Iterator[list[Statement]]:
    """Collect what is read within the block."""
    found: list[Statement] = []

    def keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.startswith("SELECT"):
            found.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", keep)
    yield found
    event.remove(engine, "before_cursor_execute", keep)


def believe_in_a_million(engine: Engine, statistics: bool) -> None:
    """Let the planner take a ledger of some hundred images for a large one; in SQLite also without any statistics."""
    with writing(engine) as session:
        if not statistics:
            return
        session.execute(text("ANALYZE"))
        if engine.dialect.name == "postgresql":
            larger = text("UPDATE pg_class SET reltuples = reltuples * :times WHERE relname = ANY(:large)")
            session.execute(larger, {"times": _TIMES, "large": list(_LARGE)})
        else:
            figures = session.execute(text("SELECT rowid, stat FROM sqlite_stat1")).all()
            larger = text("UPDATE sqlite_stat1 SET stat = :stat WHERE rowid = :row")
            for row, stat in figures:
                session.execute(larger, {"row": row, "stat": re.sub(r"\d+", _larger, stat)})
    engine.dispose()  # a connection has read the figures once


def _larger(figure: re.Match[str]) -> str:
    number = int(figure.group())
    return str(number * _TIMES if number > _OPEN else number)


def through_history(engine: Engine, read: Sequence[Statement]) -> set[str]:
    """Return the steps of the planner that look at each row of a large table, in no order that a limit would end."""
    steps = _steps_in_postgresql if engine.dialect.name == "postgresql" else _steps_in_sqlite
    with reading(engine) as session:
        connection = session.connection()
        return {
            f"{step}: {statement}"
            for statement, parameters in dict(read).items()
            for step in steps(connection, statement, parameters)
        }


def _steps_in_sqlite(connection: Any, statement: str, parameters: Any) -> Iterator[str]:
    large = "|".join(_LARGE)
    # A search that names no index is one by hand over the rows that are left.
    scan = re.compile(rf"SCAN ({large})(_\d)?\b(?!.* USING (COVERING )?INDEX {_SHORT})|SEARCH ({large})(_\d)?$")
    # The last number of a table is one step down its tree, which the planner calls a search of the whole.
    last = re.compile(r"SELECT max\(events\.id\) AS max_1 \nFROM events$")
    for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
        if scan.search(row[3]) and not last.match(statement):
            yield row[3]


def _steps_in_postgresql(connection: Any, statement: str, parameters: Any) -> Iterator[str]:
    ((plan,),) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
    found = json.loads(plan) if isinstance(plan, str) else plan
    yield from _scans(found[0]["Plan"], is_limited=False)


def _scans(node: dict[str, Any], is_limited: bool) -> Iterator[str]:
    """Give the scans of large tables in a plan; one in the order of an index, which a limit ends, is none."""
    kind, index = node["Node Type"], node.get("Index Name", "")
    if kind == "Seq Scan" and node["Relation Name"] in _LARGE:
        yield f"{kind} {node['Relation Name']}"
    elif "Index" in kind and "Index Cond" not in node and not re.fullmatch(_SHORT, index) and not is_limited:
        yield f"{kind} {index}"
    below = kind == "Limit" or (is_limited and kind in ("Nested Loop", "LockRows", "Result", "Subquery Scan"))
    for place, child in enumerate(node.get("Plans", ())):
        yield from _scans(child, below and (place == 0 or kind == "Limit"))


def sqlite_steps(engine: Engine, act: Callable[[], object]) -> int:
    """Return how many steps SQLite's machine takes for what `act` reads: of a plan, what it comes to."""
    taken: list[None] = []

    def count(_: Any, cursor: Any, *__: Any) -> None:
        cursor.connection.set_progress_handler(lambda: taken.append(None), 1)

    event.listen(engine, "before_cursor_execute", count)
    act()
    event.remove(engine, "before_cursor_execute", count)
    engine.dispose()  # the connections that count
    return len(taken)
