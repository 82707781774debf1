"""Memory that a process which runs for months keeps, and gives back."""

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from service.ledger.database import connect, reading

_MANY_THREADS = """
import ctypes, threading
from service.process.memory import bound_arenas
if {bounded}:
    bound_arenas()
together = threading.Barrier(9)
def hold():
    held = bytearray(10_000)
    together.wait()
    together.wait()
threads = [threading.Thread(target=hold) for _ in range(8)]
for thread in threads:
    thread.start()
together.wait()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
stream = libc.fdopen(1, b"w")
libc.malloc_info(0, ctypes.c_void_p(stream))
libc.fflush(ctypes.c_void_p(stream))
together.wait()
"""


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def heaps(*, bounded: bool) -> int:
    """Return how many heaps the C library has while eight threads hold memory at once."""
    program = [sys.executable, "-c", _MANY_THREADS.format(bounded=bounded)]
    told = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    return len(re.findall("<heap nr=", told))


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc"
)
def test_all_threads_share_one_heap_once_it_is_asked_for() -> None:
    assert heaps(bounded=True) == 1
    assert heaps(bounded=False) > 1


_HOLE = """
from pathlib import Path
from service.process.memory import bound_arenas, give_back
bound_arenas()
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])
pieces = [bytes(4000) for _ in range(30_000)]
above = bytes(4000)
del pieces
before = resident()
give_back()
print(before - resident())
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc"
)
def test_memory_that_is_free_below_what_is_in_use_goes_back_to_the_system() -> None:
    told = subprocess.run([sys.executable, "-c", _HOLE], capture_output=True, text=True, check=True).stdout
    assert int(told) * os.sysconf("SC_PAGE_SIZE") > 50_000_000


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc tells what this process holds")
def test_a_connection_to_the_ledger_keeps_no_value_of_a_statement_that_has_ended(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path}/ledger.sqlite")
    size = 64 << 20
    before = resident_bytes()
    with reading(engine) as session:
        assert session.scalar(text("SELECT length(:value)"), {"value": bytes(size)}) == size
        session.expunge_all()
    assert resident_bytes() - before < size // 2
    engine.dispose()
