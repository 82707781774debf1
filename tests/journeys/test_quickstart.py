"""docs/quickstart.md, done: its settings, its Orthanc and its commands together, from an empty folder to reports."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom.uid import UID, generate_uid

from tests.phantoms import chest, encoded
from tests.servers import Orthanc, find_program, free_port, running, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

#: CT, MR, ultrasound, a dose report, a document in PDF, a presentation state.
OTHERS = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.6.1",
    "1.2.840.10008.5.1.4.1.1.88.67",
    "1.2.840.10008.5.1.4.1.1.104.1",
    "1.2.840.10008.5.1.4.1.1.11.1",
)
DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "quickstart.md").read_text()


def block(language: str) -> str:
    """Return the document's one block of a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    return str(found)


@dataclass(frozen=True)
class Site:
    """A folder with the document's settings, and the Orthanc of the document."""

    folder: Path
    port: int
    archive: Orthanc

    def auscult(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command in the site's folder."""
        return subprocess.run(
            [sys.executable, "-m", "service.cli", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def answers(self) -> bool:
        """Tell whether the listener's port is open."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _with(text: str, *changes: tuple[str, str]) -> str:
    """Return a snippet with this test's addresses and ports in place of the document's, each of which must be there."""
    for written, here in changes:
        assert written in text, written
        text = text.replace(written, here)
    return text


@contextmanager
def documented_orthanc(folder: Path, dicom_port: int, auscult_port: int, document: str) -> Iterator[Orthanc]:
    """Run Orthanc with the document's two files as they stand, and of the test's own only where it keeps its data."""
    http_port = free_port()
    text = _with(document, ("10.1.2.4", "127.0.0.1"), ("11112", str(auscult_port)), ("4242", str(dicom_port)))
    (folder / "orthanc.json").write_text(text)
    (folder / "auscult.lua").write_text(block("lua"))
    (folder / "here.json").write_text(
        json.dumps({"HttpPort": http_port, "StorageDirectory": str(folder), "IndexDirectory": str(folder)})
    )

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/system", timeout=2):
                return True
        except OSError:
            return False

    command = [str(find_program("Orthanc")), str(folder)]  # it reads every .json of the folder
    with running(command, folder / "orthanc.log", answers) as process:
        yield Orthanc("PACS", dicom_port, http_port, folder, process)


@contextmanager
def quickstart(folder: Path, orthanc_json: str) -> Iterator[Site]:
    """Do the document's steps 2 and 5, on free ports of this machine."""
    port, archive_port, here, there = free_port(), free_port(), folder / "site", folder / "archive"
    here.mkdir()
    there.mkdir()
    with documented_orthanc(there, archive_port, port, orthanc_json) as archive:
        settings = _with(
            block("toml"),
            ('"10.1.2.3"', '"127.0.0.1"'),
            ('"0.0.0.0"', '"127.0.0.1"'),
            ("port = 4242", f"port = {archive_port}"),
            ("port = 11112", f"port = {port}"),
        )
        # A phantom is unlike radiographs, and would not be analysed.
        settings += f'\n[web]\nport = {free_port()}\n\n[scope]\nunlike_training = "ignore"\n'
        (here / "auscult.toml").write_text(settings)
        yield Site(here, port, archive)


@contextmanager
def started(site: Site) -> Iterator[None]:
    """Run `auscult up` in the site's folder until the block ends."""
    log = site.folder / "up.log"
    with log.open("wb") as sink:
        up = subprocess.Popen([sys.executable, "-m", "service.cli", "up"], cwd=site.folder, stdout=sink, stderr=sink)
    try:
        wait_until(site.answers, "the listener answers", 60)
        yield
    finally:
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == 0, log.read_text()


@pytest.fixture
def site(program: Callable[[str], str], tmp_path: Path) -> Iterator[Site]:
    program("Orthanc")
    with quickstart(tmp_path, block("json")) as site:
        yield site


def test_the_quickstart_brings_the_reports_that_it_promises(site: Site) -> None:
    assert site.auscult("db", "upgrade").returncode == 0
    before = site.auscult("doctor")
    assert before.returncode == 0, before.stdout
    with started(site):
        site.archive.store(encoded(chest(seed=3, rows=512, columns=448)))
        site.archive.wait_for_instances(4, 90)
        series = [site.archive.rest(f"series/{uid}")["MainDicomTags"] for uid in site.archive.find("Series")]
        promised = re.findall(r"^\| (99\d\d) \|", DOCUMENT, re.MULTILINE)
        assert sorted(tags["SeriesNumber"] for tags in series) == ["1", *promised]
        wait_until(lambda: "delivered" in site.auscult("status").stdout, "the image is delivered", 60, 2.0)
        during = site.auscult("doctor")
        assert during.returncode == 0, during.stdout


def test_a_rule_that_forwards_everything_does_no_harm(site: Site) -> None:
    assert site.auscult("db", "upgrade").returncode == 0
    with started(site):
        for uid in OTHERS:
            source = chest(seed=4, rows=256, columns=256)
            source.SOPClassUID = source.file_meta.MediaStorageSOPClassUID = UID(uid)
            source.SOPInstanceUID = source.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            site.archive.store(encoded(source))
        deadline = time.monotonic() + 60
        while sum(_states(site).values()) < len(OTHERS) and time.monotonic() < deadline:
            time.sleep(1.0)
        assert _states(site) == {"out of scope": len(OTHERS)}
        log = (site.archive.folder / "orthanc.log").read_text()
        assert [line for line in log.splitlines() if line.startswith("E")] == []
        assert json.loads(site.auscult("status", "--json").stdout)["refused"] == []


def test_an_orthanc_without_the_ae_title_is_named_with_the_setting_that_admits_it(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    program("Orthanc")
    without = "".join(line for line in block("json").splitlines(keepends=True) if "DicomAet" not in line)
    with quickstart(tmp_path, without) as site:
        assert site.auscult("db", "upgrade").returncode == 0
        with started(site):
            site.archive.store(encoded(chest(seed=5, rows=256, columns=256)))
            told: list[dict[str, object]] = []

            def is_told() -> bool:
                told[:] = json.loads(site.auscult("status", "--json").stdout)["refused"]
                return bool(told)

            wait_until(is_told, "status names the caller", 60, 1.0)
            assert (told[0]["calling_ae_title"], told[0]["address"]) == ("ORTHANC", "127.0.0.1")
            assert told[0]["setting"] == "listener.allowed_ae_titles"
            examined = site.auscult("doctor")
            assert examined.returncode == 1
            assert "ORTHANC at 127.0.0.1 was refused" in examined.stdout


def _states(site: Site) -> dict[str, int]:
    states: dict[str, int] = json.loads(site.auscult("status", "--json").stdout)["states"]
    return states
