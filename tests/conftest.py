"""What every test may ask for: programs, the shared data, real servers.

A test that lacks a program or the shared data skips and says so; with ``AUSCULT_TEST_REQUIRE_ALL=1``, as CI sets it,
it fails.
"""

import fcntl
import gc
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest

from tests import compiled, servers

# jsonschema would compile a grammar of addresses that no schema here names: seconds for each worker.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# Workers of pytest-xdist share the processors: a pool of threads in each would fight over them.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure() -> None:
    """Have SIGTERM end a run as Ctrl-C does: the servers of its fixtures end with it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


#: The longest files. One that began late would keep one worker busy and leave the others idle at the end.
_FIRST = (
    "journeys/test_kills.py",
    "training/test_papers_experiment.py",
    "service/web/test_openapi.py",
    "service/report/test_report_sources.py",
)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage meanwhile, nor look later through what stays to the end: a million objects each time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files of `_FIRST`."""
    first = {Path(__file__).parent / name for name in _FIRST}
    items.sort(key=lambda item: item.path not in first)


compiled.share()

# Deadlines measure the neighbours on a shared machine, not the code.
hypothesis.settings.register_profile("here", deadline=None, max_examples=25)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


def _made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that one worker of pytest-xdist fills, and the others find."""
    run = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        run = run.parent
    folder = run / name
    with (run / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            part = run / f"{name}.part"
            shutil.rmtree(part, ignore_errors=True)  # of a worker whose time was over
            part.mkdir()
            make(part)
            part.rename(folder)
    return folder


def _lack(reason: str) -> NoReturn:
    if os.environ.get("AUSCULT_TEST_REQUIRE_ALL") == "1":
        pytest.fail(f"{reason}, and AUSCULT_TEST_REQUIRE_ALL=1 requires it")
    pytest.skip(reason)


def _program(name: str) -> str:
    path = servers.find_program(name)
    if path is None:
        _lack(f"the program {name} is not installed")
    return str(path)


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Give ``program(name)``: the path of an external program; the test skips, or fails in CI, when it is absent."""
    return _program


@pytest.fixture(scope="session")
def lack() -> Callable[[str], NoReturn]:
    """Give ``lack(reason)``: the test skips, or fails in CI, for what is absent."""
    return _lack


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder of shared data that stands beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        _lack("there is no folder `shared` beside the checkout")
    return folder


@pytest.fixture(scope="session")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a checkpoint with a distance and an 8-bit graph; see `checkpoints.graded`."""
    pytest.importorskip("torch")
    from tests import checkpoints

    return _made_once(tmp_path_factory, "graded", checkpoints.graded)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of a Redis server of this session's own; a test that needs it empty flushes it."""
    _program("redis-server")
    with servers.redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder that is a disk of 48 MiB of its own; the test skips where nothing can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)], capture_output=True, timeout=10, check=False
    )
    if mounted.returncode != 0:
        _lack("a tmpfs cannot be mounted here (root may)")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], timeout=10, check=True)


@pytest.fixture(scope="session")
def s3_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of an S3-compatible server of this session's own; a test makes buckets of its own in it."""
    with servers.moto_server(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture(scope="session")
def _postgres() -> Iterator[servers.Postgres]:
    _program("postgres")
    _program("initdb")
    with servers.postgres_server() as postgres:
        yield postgres


@pytest.fixture
def postgres_url(_postgres: servers.Postgres) -> str:
    """Give the SQLAlchemy URL of a fresh, empty database on this session's PostgreSQL server."""
    return _postgres.create_database()


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Callable[..., servers.Orthanc]]:
    """Give ``orthanc(**options)``, which starts an Orthanc of its own; the options are those of `servers.orthanc`."""
    _program("Orthanc")
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(servers.orthanc(_fresh(tmp_path, "orthanc"), **options))


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[Callable[..., servers.StoreScp]]:
    """Give ``storescp(*options, ...)``, which starts dcmtk's storescp; the options are those of `servers.storescp`."""
    _program("storescp")
    with ExitStack() as stack:
        yield lambda *options, **more: stack.enter_context(
            servers.storescp(_fresh(tmp_path, "storescp"), *options, **more)
        )


def _fresh(parent: Path, name: str) -> Path:
    folder = parent / f"{name}-{sum(1 for _ in parent.glob(f'{name}-*'))}"
    folder.mkdir()
    return folder
