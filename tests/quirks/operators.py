"""What befalls the machine and the page: faults of operators, and strangers at the page's door."""

import json
import os
import socket
import sqlite3
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.quirks import Collection, NotRight, Quirk
from tests.quirks.target import Target
from tests.service.dicom.raw_scu import Ended, RawAssociation

_UNFINISHED = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: "


def _exchange(target: Target, request: bytes) -> str:
    """Send a request to the page; return its status line."""
    with socket.create_connection(("127.0.0.1", target.web_port), timeout=20) as connection:
        connection.sendall(request)
        return connection.recv(65536).split(b"\r\n", 1)[0].decode("latin-1")


def _health(target: Target, header: bytes = b"") -> str:
    head = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + header
    line = _exchange(target, head + b"Connection: close\r\n\r\n")
    if " 200 " not in line:
        raise NotRight(f"the page answers {line}")
    return line


def _undecodable_header(target: Target) -> str:
    return _health(target, b"Authorization: Basic \xff\xfe\r\n")


def _half_requests(target: Target) -> str:
    with ExitStack() as held:
        begun = time.monotonic()
        for _ in range(300):
            connection = socket.create_connection(("127.0.0.1", target.web_port), timeout=20)
            held.enter_context(connection).sendall(_UNFINISHED)
        _health(target)
        return f"health is answered {time.monotonic() - begun:.1f} s after the first"


def _damaged(damage: Callable[[Path], None], wanted: str) -> Callable[[Target], str]:
    def run(target: Target) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "ledger.sqlite"
            data = Path(target.gateway.environment["AUSCULT_CONFIG"]).parent / "data"
            with sqlite3.connect(data / "ledger.sqlite") as source, sqlite3.connect(path) as copy:
                source.backup(copy)
            damage(path)
            ran = target.gateway.run("status", variables={"AUSCULT_DATA_DIR": folder})
            said = ran.stderr.strip()
            if ran.returncode != 1 or wanted not in said or "unforeseen" in said:
                raise NotRight(f"exit status {ran.returncode}: {said[-200:]}")
            return said.replace(str(path), "ledger.sqlite")

    return run


def _overwrite(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\x5a" * (len(content) - 4096))


def _no_database(path: Path) -> None:
    path.write_bytes(b"no database\n" * 1000)


def _make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _set_version(path: Path) -> None:
    with sqlite3.connect(path) as ledger:
        ledger.execute("UPDATE alembic_version SET version_num = '9999'")


def _taken_port(target: Target) -> str:
    with tempfile.TemporaryDirectory() as folder:
        ran = target.gateway.run("up", variables={"AUSCULT_DATA_DIR": folder})
    if ran.returncode != os.EX_CONFIG or "cannot listen" not in ran.stderr:
        raise NotRight(f"exit status {ran.returncode}: {ran.stderr[-200:]}")
    return ran.stderr.strip().splitlines()[-1]


def _modes(target: Target) -> str:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir(mode=0o755)
        target.gateway.run("db", "upgrade", variables={"AUSCULT_DATA_DIR": str(data)})
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data.rglob("*") if path.is_file()}
    if not modes or any(mode & 0o077 for mode in modes.values()):
        raise NotRight(f"modes { ({name: oct(mode) for name, mode in modes.items()}) }")
    return ", ".join(f"{name} {mode:04o}" for name, mode in modes.items())


def _stranger(target: Target) -> str:
    try:
        RawAssociation(target.port, calling="STRANGER", called="ELSEWHERE").connection.close()
    except Ended:
        pass
    else:
        raise NotRight("it was let in")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for row in json.loads(target.gateway.auscult("status", "--json"))["refused"]:
            if row["calling_ae_title"] == "STRANGER":
                return f"status names it, and {row['setting']}"
        time.sleep(0.5)
    raise NotRight("status does not name it")


_KEPT = "the command says what is wrong with it and what to do, and ends with 1"
_SQLITE = "sqlite.org/rescode.html"
COLLECTION = Collection(
    "operators",
    (
        Quirk(
            "a header of the page's request that is not ASCII",
            "HTTP requests",
            "RFC 9110 5.5",
            "the page answers as without it, or refuses with a status of the 400s",
            _undecodable_header,
        ),
        Quirk(
            "300 requests of which half has come",
            "HTTP requests",
            "RFC 9112 9.5",
            "others are answered meanwhile, and the unfinished are closed",
            _half_requests,
        ),
        Quirk("a ledger that is no database", "ledger", _SQLITE, _KEPT, _damaged(_no_database, "is damaged")),
        Quirk("a ledger with overwritten pages", "ledger", _SQLITE, _KEPT, _damaged(_overwrite, "back-up-and-restore")),
        Quirk("a folder in the ledger's place", "ledger", _SQLITE, _KEPT, _damaged(_make_folder, "must be a file")),
        Quirk("a ledger of a later version", "ledger", "ADR 0023", _KEPT, _damaged(_set_version, "newer (9999)")),
        Quirk(
            "a data_dir that is open to other users",
            "file modes",
            "POSIX",
            "every file in it is its owner's alone",
            _modes,
        ),
        Quirk(
            "ports that another auscult has",
            "ports",
            "POSIX",
            "`up` says so and ends, after it has waited for one that is ending",
            _taken_port,
            slow=True,
        ),
        Quirk(
            "a caller whose called AE title is not ours",
            "refused callers",
            "PS3.8 Table 9-21",
            "it is rejected, and status names it with the setting that decides",
            _stranger,
        ),
    ),
    tolerated=False,
)
