"""How a campaign ends before its time: by SIGTERM as by Ctrl-C, and what it has started ends before it."""

import signal
import sys


def end_in_order() -> None:
    """Have SIGTERM unwind this program, so that each server that it runs is ended; a second one changes nothing."""

    def end(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)
