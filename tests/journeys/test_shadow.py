"""A source in shadow, from dcmtk's storescu to a PACS that counts: nothing arrives until a person lets it out."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset

from service.vocabulary.states import State
from tests import phantoms
from tests.invariants import Invariant
from tests.journeys.gateway import Gateway, destination, gateway
from tests.journeys.pacs import CountingPacs
from tests.servers import wait_until


def store(program: str, running: Gateway, image: Dataset, path: Path) -> None:
    """Send an image as the source on trial does."""
    path.write_bytes(phantoms.encoded(image))
    command = [program, "-aet", "TRIAL", "-aec", "AUSCULT", "127.0.0.1", str(running.port), str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)


@pytest.mark.proves(Invariant.NOTHING_LEAVES_SHADOW)
def test_nothing_arrives_at_the_pacs_until_a_person_lets_the_source_out(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    storescu, quiet, heard = program("storescu"), phantoms.chest(7001), phantoms.chest(7002)
    with CountingPacs() as pacs, gateway(tmp_path, [destination(pacs.port)]) as running:
        running.auscult("shadow", "enter", "TRIAL")
        store(storescu, running, quiet, tmp_path / "quiet.dcm")

        def is_reported() -> bool:
            return [row.state for row in running.versions(quiet)] == [State.REPORTED.value]

        wait_until(is_reported, "the image in shadow is analysed", 60)
        assert running.reports(quiet) == []
        listed = json.loads(running.auscult("worklist", "--json"))["rows"]
        assert listed == []

        report = tmp_path / "report.html"
        running.auscult("shadow", "report", "TRIAL", "--out", str(report))
        running.auscult("shadow", "leave", "TRIAL", "--report", str(report), "--person", "Dr. A")
        store(storescu, running, heard, tmp_path / "heard.dcm")
        wait_until(lambda: len(pacs.of(heard)) == 3, "the reports of the source that was let out", 60)
        assert pacs.of(quiet) == []
