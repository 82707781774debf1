"""The process that makes reports with highdicom: a recipe in, a file out, until nobody asks any more.

It ends when its parent does, for then the other end of its connection is closed, and after a while in which it was
asked for nothing. A signal to the whole group does not end it: its parent may need a file to finish what it is at.
"""

import signal
import sys
from multiprocessing.connection import Connection

from service.report.installed import INSTALLED
from service.report.making.files import made

_IDLE_S = 30.0
"""How long it waits for the next recipe: after a start, a busy gateway finds another shape sooner."""


def main() -> None:
    """Answer each kind and recipe with the file, or with the name of the error that it leads to.

    None is the answer to a process that began when other versions were installed: what they make may differ.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with Connection(int(sys.argv[1])) as parent:
        while parent.poll(_IDLE_S):
            try:
                installed, kind, recipe = parent.recv()
            except EOFError:
                return
            answer: bytes | str | None
            try:
                answer = made(kind, recipe) if installed == INSTALLED else None
            except Exception as error:  # noqa: BLE001 - what it says may quote an attribute
                answer = type(error).__name__
            parent.send(answer)


if __name__ == "__main__":
    main()
