"""`auscult listen` without one of the steps that its acknowledgement rests on: ``python faulty_listener.py STEP``."""

import os
import sys
import threading
from pathlib import Path
from typing import Any

import service.objects.local
from service.cli import main
from service.ledger import database
from service.ledger.admission import Admission, Receipt, Registered


def without_file_fsync() -> None:
    """Never flush an object's bytes."""

    class _Os:
        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

        @staticmethod
        def fsync(descriptor: int) -> None:
            if "incoming" not in Path(f"/proc/self/fd/{descriptor}").readlink().parts:
                os.fsync(descriptor)

    vars(service.objects.local)["os"] = _Os()


def without_folder_fsync() -> None:
    """Never flush the name of an object."""
    service.objects.local._fsync_folder = lambda folder: None


def without_commit_fsync() -> None:
    """Leave SQLite's log to the page cache."""
    prepare = database._prepare_sqlite

    def prepare_carelessly(connection: Any, record: object) -> None:
        prepare(connection, record)
        connection.execute("PRAGMA synchronous=OFF").close()

    vars(database)["_prepare_sqlite"] = prepare_carelessly


def without_waiting() -> None:
    """Answer first, register later."""
    register = Admission.register

    def promise(self: Admission, arrival: Any, holds: Any = None) -> Receipt:
        threading.Timer(0.3, register, (self, arrival)).start()
        return Receipt(Registered.NEW)

    Admission.register = promise  # type: ignore[method-assign]


if __name__ == "__main__":
    {
        "nothing": lambda: None,
        "file fsync": without_file_fsync,
        "folder fsync": without_folder_fsync,
        "commit fsync": without_commit_fsync,
        "waiting": without_waiting,
    }[sys.argv.pop()]()
    sys.argv.append("listen")
    main()
