"""A checkpoint is replaced while images arrive: two kinds of workers, and nothing sent that nobody asked for."""

import time
from collections import Counter
from pathlib import Path

import pytest
from pydicom import Dataset

from models.checkpoint import Checkpoint, default_path
from service.ledger.records import PredictionRecord
from service.vocabulary.states import State
from tests import checkpoints
from tests.documents import blocks
from tests.invariants import Invariant
from tests.journeys.gateway import Gateway, destination, gateway
from tests.journeys.pacs import CountingPacs, predecessors, sentences
from tests.phantoms import chest
from tests.servers import wait_until

OLD, NEW = Checkpoint.load(default_path(), verify=False).card.version, "9.0.0"
ENOUGH = 40


def by(running: Gateway, source: Dataset) -> str:
    """Return the checkpoint version of an image's only result in force."""
    (row,) = [row for row in running.versions(source) if row.state == State.DELIVERED]
    (prediction,) = [one for one in running.predictions(source) if one.instance_id == row.id]
    return str(prediction.checkpoint_version)


def reported(pacs: CountingPacs, source: Dataset) -> Counter[str]:
    """Return which checkpoint versions the Structured Reports on an image name, in how many of them, in the archive."""
    texts = [" ".join(sentences(report)) for report in pacs.of(source)]
    return Counter(version for text in texts for version in (OLD, NEW) if f"resnet50-three-class {version}" in text)


@pytest.mark.proves(Invariant.CHECKPOINT_RESENDS_NOTHING)
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_workers_of_two_checkpoints_share_the_images_and_only_what_is_asked_for_is_sent_again(
    tmp_path: Path, postgres_url: str
) -> None:
    newer = {"AUSCULT_ANALYSIS__CHECKPOINT": str(checkpoints.renamed(tmp_path / "newer", NEW))}
    (tmp_path / "site").mkdir()
    with (
        CountingPacs() as pacs,
        gateway(
            tmp_path / "site",
            [destination(pacs.port)],
            parts=("listen", "work infer", "work deliver", "sweep"),
            database_url=postgres_url,
            analysis={"batch_size": 1},  # two workers share them
        ) as running,
    ):
        running.start("work infer", name="work infer newer", variables=newer)
        running.start("work deliver", name="work deliver newer", variables=newer)
        for name in ("infer", "infer-newer", "deliver", "deliver-newer"):
            log = tmp_path / "site" / f"work-{name}.log"
            wait_until(lambda log=log: "worker ready" in log.read_text(), f"{name} is ready", 90)  # type: ignore[misc]
        sources: list[Dataset] = []
        while (
            len(versions := {one.checkpoint_version for one in running.rows(PredictionRecord)}) < 2 or len(sources) < 6
        ):
            sources.append(chest(940 + len(sources)))
            assert len(sources) <= ENOUGH, f"only {versions} analysed anything"
            assert running.send(sources[-1]) == 0x0000
        running.wait_until_settled()
        first = {str(source.SOPInstanceUID): by(running, source) for source in sources}
        for source in sources:
            assert len(running.predictions(source)) == 1
            assert len(pacs.of(source)) == 3
            assert reported(pacs, source) == {first[str(source.SOPInstanceUID)]: 2}

        for part in ("work infer", "work deliver"):
            assert running.stop(part) == 0
        old = [source for source in sources if first[str(source.SOPInstanceUID)] == OLD]
        assert running.send(old[0]) == 0x0000  # the PACS sends one again
        time.sleep(3)  # several rounds of the sweep and of every worker's own look
        assert len(pacs.digests) == 3 * len(sources)

        running.auscult("reanalyse", str(old[0].SOPInstanceUID), "--yes")
        running.wait_until_settled()
        assert by(running, old[0]) == NEW
        assert reported(pacs, old[0]) == {OLD: 2, NEW: 2}
        assert len(pacs.digests) == 3 * (len(sources) + 1)

        running.auscult("reanalyse", "--checkpoint", OLD, "--yes")
        running.wait_until_settled()
        assert {by(running, source) for source in sources} == {NEW}
        assert len(pacs.digests) == 3 * (len(sources) + len(old))

        for part in ("work infer", "work deliver"):  # the newer one turns out worse
            assert running.stop(f"{part} newer") == 0
            running.start(part)
        (command,) = (block for block in blocks("howto/roll-back-a-checkpoint.md") if "reanalyse" in block)
        roll_back = [*command.replace("1.1.0", NEW).split()[1:], "--yes"]
        assert f"again: {len(sources)}" in running.auscult(*roll_back)
        running.wait_until_settled()
        assert {by(running, source) for source in sources} == {OLD}
        assert len(pacs.digests) == 3 * (2 * len(sources) + len(old))
        for source in sources:
            *earlier, four, five, six = pacs.of(source)
            replaced = {uid for report in (four, five, six) for uid in predecessors(report)}
            assert replaced == {str(report.SOPInstanceUID) for report in earlier if report.Modality == "SR"}
            assert [OLD in " ".join(sentences(report)) for report in (four, five, six)].count(True) == 2
        assert "no image of these" in running.auscult(*roll_back)
        assert all(len(digests) == 1 for digests in pacs.digests.values())
