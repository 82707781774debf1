"""The images of a campaign, and a modality that sends each until it is acknowledged."""

import random
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import FileDataset
from pydicom.uid import ImplicitVRLittleEndian, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from service.vocabulary.states import State
from tests import phantoms
from tests.phantoms import chest

ANALYSED, TOLD, SILENT = ("OT", "SR", "SR"), ("SR",), ()
#: As small as the scope lets an image be: nobody waits for pixels here.
_SIZE = {"rows": 208, "columns": 200}
#: What no process may write.
PATIENT = {"patient_name": "Verschwiegen^Henriette", "patient_id": "SECRET-{}", "accession_number": "ACCSECRET{}"}
SECRETS = ("Verschwiegen", "Henriette", "SECRET-", "ACCSECRET")


@dataclass(frozen=True)
class Image:
    """An image to be sent, and what must become of it.

    Attributes
    ----------
    modalities
        Of the reports that each destination holds at the end, sorted.
    """

    path: Path
    sop_instance_uid: str
    study_instance_uid: str
    state: State
    modalities: tuple[str, ...]


def _in(transfer_syntax_uid: str) -> Callable[..., FileDataset]:
    return lambda seed, **more: phantoms.transcoded(chest(seed, **more), transfer_syntax_uid)


_KINDS: list[tuple[Callable[..., FileDataset], State, tuple[str, ...]]] = [
    (chest, State.DELIVERED, ANALYSED),
    (lambda seed, **more: chest(seed, sop_class="DX", photometric="MONOCHROME1", **more), State.DELIVERED, ANALYSED),
    (_in(JPEGLSLossless), State.DELIVERED, ANALYSED),
    (_in(ImplicitVRLittleEndian), State.DELIVERED, ANALYSED),
    (lambda seed, **more: chest(seed, view_position="LL", **more), State.OUT_OF_SCOPE, TOLD),
    (_in(JPEGLosslessSV1), State.DELIVERED, ANALYSED),
    (_in(RLELossless), State.DELIVERED, ANALYSED),
    (lambda seed, **more: chest(seed, sop_class="SC", bits=8, **more), State.DELIVERED, ANALYSED),
    (_in(JPEG2000Lossless), State.DELIVERED, ANALYSED),
    (lambda seed, **more: chest(seed, body_part="HAND", **more), State.OUT_OF_SCOPE, SILENT),
]


def make_images(folder: Path, number: int, seed: int) -> list[Image]:
    """Write images of all kinds into a folder, each in a study of its own."""
    images = []
    for index in range(number):
        kind, state, modalities = _KINDS[index % len(_KINDS)]
        patient = {name: value.format(index) for name, value in PATIENT.items()}
        dataset = kind(1_000_000 * (seed + 1) + index, **_SIZE, **patient)
        path = folder / f"{index:05}.dcm"
        phantoms.write(dataset, path)
        images.append(Image(path, str(dataset.SOPInstanceUID), str(dataset.StudyInstanceUID), state, modalities))
    return images


@dataclass
class Modality:
    """Sends images by a program of dcmtk's, at their time, again and again until each is acknowledged.

    Parameters
    ----------
    command
        dcmsend or storescu, with its options.
    doors
        The listeners' addresses; each association goes to one of them by chance.
    lasts_s
        Seconds over which the first attempts are spread.
    """

    command: Sequence[str]
    images: Sequence[Image]
    doors: Sequence[tuple[str, int]]
    lasts_s: float
    chance: random.Random
    calling: str = "MODALITY"
    acknowledged: dict[str, float] = field(default_factory=dict)
    attempts: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="modality", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Return whether everything was acknowledged within the time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Send nothing more."""
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        started = time.monotonic()
        while not self._stop.wait(0.05) and len(self.acknowledged) < len(self.images):
            share = min(1.0, (time.monotonic() - started) / max(self.lasts_s, 0.001))
            due = self.images[: max(1, round(share * len(self.images)))]
            open_ = [image for image in due if image.sop_instance_uid not in self.acknowledged]
            if open_:
                self._send(open_[: self.chance.randint(1, 4)])

    def _send(self, batch: list[Image]) -> None:
        if self.acknowledged and self.chance.random() < 0.1:
            # A sender that has forgotten what it was told.
            again = self.chance.choice(sorted(self.acknowledged))
            batch = [*batch, *(image for image in self.images if image.sop_instance_uid == again)]
        address, port = self.chance.choice(list(self.doors))
        command = [*self.command, "-v", "-nh", "-to", "5", "-ta", "10", "-td", "20"]
        command += ["-aet", self.calling, "-aec", "AUSCULT", address, str(port)]
        self.attempts += len(batch)
        ran = subprocess.run(
            [*command, *(str(image.path) for image in batch)], capture_output=True, text=True, timeout=120, check=False
        )
        now = time.time()
        for image in _successes(batch, ran.stdout + ran.stderr):
            self.acknowledged.setdefault(image.sop_instance_uid, now)


def _successes(batch: Sequence[Image], output: str) -> list[Image]:
    """Return which images were answered with success; both programs tell of them in their order."""
    found, position = [], -1
    for line in output.splitlines():
        position += "Sending C-STORE Request" in line or "Sending Store Request" in line
        if "Received C-STORE Response (Success)" in line or "Received Store Response (Success)" in line:
            found.append(batch[position])
    return found
