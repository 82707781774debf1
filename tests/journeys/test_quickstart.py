"""docs/quickstart.md, done: its settings, its Orthanc rule and its commands, from an empty folder to the reports."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.phantoms import chest, encoded
from tests.servers import Orthanc, free_port, orthanc, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

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


@pytest.fixture
def site(program: Callable[[str], str], tmp_path: Path) -> Iterator[Site]:
    program("Orthanc")
    port, folder, archive_folder = free_port(), tmp_path / "site", tmp_path / "archive"
    folder.mkdir()
    archive_folder.mkdir()
    with orthanc(
        archive_folder, ae_title="PACS", modalities={"auscult": ("AUSCULT", port)}, lua=block("lua")
    ) as archive:
        settings = block("toml")
        for written, here in (
            ('"10.1.2.3"', '"127.0.0.1"'),
            ('"0.0.0.0"', '"127.0.0.1"'),
            ("port = 104", f"port = {archive.dicom_port}"),
            ("port = 11112", f"port = {port}"),
        ):
            assert written in settings, written
            settings = settings.replace(written, here)
        # A phantom is unlike radiographs, and would not be analysed.
        settings += f'\n[web]\nport = {free_port()}\n\n[scope]\nunlike_training = "ignore"\n'
        (folder / "auscult.toml").write_text(settings)
        yield Site(folder, port, archive)


def test_the_quickstart_brings_the_reports_that_it_promises(site: Site) -> None:
    assert site.auscult("db", "upgrade").returncode == 0
    before = site.auscult("doctor")
    assert before.returncode == 0, before.stdout
    with (site.folder / "up.log").open("wb") as log:
        up = subprocess.Popen([sys.executable, "-m", "service.cli", "up"], cwd=site.folder, stdout=log, stderr=log)
    try:
        wait_until(site.answers, "the listener answers", 60)
        site.archive.store(encoded(chest(seed=3, rows=512, columns=448)))
        site.archive.wait_for_instances(4, 90)
        series = [site.archive.rest(f"series/{uid}")["MainDicomTags"] for uid in site.archive.find("Series")]
        promised = re.findall(r"^\| (99\d\d) \|", DOCUMENT, re.MULTILINE)
        assert sorted(tags["SeriesNumber"] for tags in series) == ["1", *promised]
        status = site.auscult("status")
        wait_until(lambda: "delivered" in site.auscult("status").stdout, "the image is delivered", 60, 2.0)
        assert status.returncode == 0
        during = site.auscult("doctor")
        assert during.returncode == 0, during.stdout
    finally:
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == 0, (site.folder / "up.log").read_text()
