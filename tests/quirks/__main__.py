"""``make quirks``: try every quirk, print the table, and end with 1 when something is not right."""

import argparse
import sys
import time

from rich.console import Console

from tests.quirks import collections
from tests.quirks.trial import Tried, print_table, trials


def main() -> None:
    """Try the collections that the command line names, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = {collection.name: collection for collection in collections()}
    parser.add_argument("collections", nargs="*", choices=[[], *known], help="which; all by default")
    chosen = parser.parse_args().collections or list(known)
    # A table that goes into a file or a pipe is not cut at 80 columns.
    console, begun = Console(width=None if sys.stdout.isatty() else 200), time.monotonic()
    outcomes: list[Tried] = []
    for name in chosen:
        if known[name].lacks:
            console.print(f"{name}: not tried: {known[name].lacks}")
            continue
        for outcome in trials(known[name], known[name].quirks):
            console.print(f"{name}: {outcome.quirk.name}: {'ok' if outcome.is_right else 'NOT RIGHT'}", markup=False)
            outcomes.append(outcome)
    print_table(console, outcomes)
    wrong = [outcome for outcome in outcomes if not outcome.is_right]
    console.print(
        f"{len(outcomes)} inputs in {time.monotonic() - begun:.0f} s, {len(outcomes) - len(wrong)} right,"
        f" {len(wrong)} not right"
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
