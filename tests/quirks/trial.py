"""Tries quirks on a running auscult, and tells what happened beside what is right."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.quirks import Collection, NotRight, Quirk
from tests.quirks.target import Target, running


@dataclass(frozen=True)
class Tried:
    """What became of one quirk."""

    collection: str
    quirk: Quirk
    happened: str
    is_right: bool


def tried(quirk: Quirk, target: Target, collection: str) -> Tried:
    """Try one quirk; whatever it raises is not right."""
    try:
        return Tried(collection, quirk, quirk.run(target), True)
    except NotRight as wrong:
        return Tried(collection, quirk, str(wrong), False)
    except Exception as error:  # noqa: BLE001 - one quirk that breaks hides none behind it
        return Tried(
            collection, quirk, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", False
        )


def trials(collection: Collection, quirks: Iterable[Quirk]) -> Iterator[Tried]:
    """Yield what becomes of quirks of one collection, each as soon as it is known, on one auscult."""
    with tempfile.TemporaryDirectory(prefix="auscult-quirks-") as folder, running(collection, Path(folder)) as target:
        for quirk in quirks:
            yield tried(quirk, target, collection.name)


def print_table(console: Console, outcomes: Iterable[Tried]) -> None:
    """Print input, what happened, and what is right."""
    table = Table(box=box.SIMPLE, show_lines=False)
    for heading in ("", "kind", "input", "what happened", "what is right"):
        table.add_column(heading, overflow="fold")
    for outcome in outcomes:
        mark = Text("ok", "green") if outcome.is_right else Text("NOT RIGHT", "bold red")
        quirk = outcome.quirk
        table.add_row(mark, quirk.kind, quirk.name, Text(outcome.happened), f"{quirk.right} ({quirk.source})")
    console.print(table)
