"""Broken objects by the worker's way: identity, scope, pixels, reports; each ends in a state that has a name.

``python -m tests.campaigns.objects NUMBER SEED`` runs it in a process of its own, so that the crash of a codec shows.
"""

import os
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import numpy as np
from pydicom import dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from models.predictor import Predictor
from service.dicom.identity import identify
from service.ledger import ClaimedInstance, DueReport
from service.settings import Settings
from service.vocabulary.errors import AuscultError
from service.vocabulary.facts import PrioritySource
from service.vocabulary.states import Priority, State
from tests import phantoms
from tests.campaigns.ending import end_in_order
from tests.campaigns.mutation import Mutator
from tests.campaigns.vitals import Vitals
from tests.phantoms import chest
from tests.service.sample_site import prediction
from worker.network import Network, load_checkpoint
from worker.networks import Networks
from worker.preparation import OutOfScope, Preparation, Prepared, Ready
from worker.report_building import ReportBuilding

#: An object that costs more processor time than this counts as a hang, on any machine.
_SECONDS_EACH = 20.0
#: What all objects together may leave behind in memory.
MEMORY_BOUND_BYTES = 200 << 20
_MAXIMUM_PIXELS = 4_000_000


def bases() -> list[bytes]:
    """Return encoded phantoms in many transfer syntaxes and SOP classes."""
    small: dict[str, Any] = {"rows": 208, "columns": 200}
    syntaxes = (
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEGLosslessSV1,
        JPEGLSLossless,
        JPEG2000Lossless,
    )
    made = [phantoms.transcoded(chest(number, **small), syntax) for number, syntax in enumerate(syntaxes)]
    made.append(phantoms.transcoded(chest(20, bits=8, **small), JPEGBaseline8Bit))
    made.append(phantoms.htj2k()[0])
    made.append(chest(21, sop_class="DX", photometric="MONOCHROME1", **small))
    made.append(chest(22, sop_class="SC", bits=8, **small))
    return [phantoms.encoded(dataset) for dataset in made]


def data_set_start(content: bytes) -> int:
    """Return where the data set of a DICOM file begins: its file meta information is the listener's."""
    return 144 + int.from_bytes(content[140:144], "little")


class _Memory:
    """An object store of one object."""

    def __init__(self) -> None:
        self.content = b""

    def read(self, _key: str) -> bytes:
        return self.content

    def put(self, content: bytes) -> Any:
        return type("Stored", (), {"key": "0" * 64, "size": len(content)})


@dataclass
class Trial:
    """Takes broken objects through everything, one after another."""

    folder: Path
    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = Settings(data_dir=self.folder, scope={"maximum_pixels": _MAXIMUM_PIXELS})
        self._store = _Memory()
        store = cast(Any, self._store)
        checkpoint = load_checkpoint(settings.analysis)
        card = checkpoint.card
        of_any_age = replace(card.population, minimum_age_years=0, maximum_age_years=21)
        checkpoint = replace(checkpoint, card=replace(card, population=of_any_age))
        network = Network(Predictor(checkpoint, cast(Any, None)), "balanced", None)
        self._preparation = Preparation(store, Networks((network,), settings.scope), settings.scope)
        self._building = ReportBuilding(settings, cast(Any, MagicMock()), store, [checkpoint], "fuzz")

    def take(self, content: bytes) -> None:
        """Take one object all the way; note how it ended."""
        started = time.process_time()
        try:
            self.ends[self._way(content)] += 1
        except AuscultError as error:
            self.ends[type(error).__name__] += 1
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            trace = error.__traceback__
            places = []
            while trace is not None:
                places.append(f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}")
                trace = trace.tb_next
            self.wrong.append(f"{type(error).__name__} at {' > '.join(places[-6:])}")
        if (took_s := time.process_time() - started) > _SECONDS_EACH:
            self.wrong.append(f"one object took {took_s:.1f} s of processor time")

    def _way(self, content: bytes) -> str:
        start = data_set_start(content)
        meta = dcmread(BytesIO(content[:start])).file_meta
        path = self.folder / "object.dcm"
        path.write_bytes(content)
        identity, _, _ = identify(
            path,
            start,
            sop_class_uid=str(meta.MediaStorageSOPClassUID),
            sop_instance_uid=str(meta.MediaStorageSOPInstanceUID),
            transfer_syntax_uid=str(meta.TransferSyntaxUID),
            maximum_bytes=len(content) * 100,
        )
        self._store.content = content
        claim = ClaimedInstance(
            id=1,
            owner="fuzz",
            sop_instance_uid=identity.sop_instance_uid,
            version=1,
            identity=identity,
            identity_digest=identity.digest(),
            object_key="0" * 64,
            attempt=1,
            again=False,
            received_at=datetime.now(UTC),
            released=False,
            predecessor=None,
        )
        prepared = self._preparation.prepare(claim)
        self._building._build(_due(claim, prepared), None)
        return prepared.reason.value if isinstance(prepared, OutOfScope) else "analysed"


def _due(claim: ClaimedInstance, prepared: Prepared) -> DueReport:
    ready = prepared if isinstance(prepared, Ready) else None
    if ready is not None:
        assert ready.display.dtype == np.float32
        assert 0.0 <= ready.display.min() <= ready.display.max() <= 1.0
    reason = prepared.reason.value if isinstance(prepared, OutOfScope) else None
    return DueReport(
        id=1,
        owner="fuzz",
        sop_instance_uid=claim.sop_instance_uid,
        object_key=claim.object_key,
        identity=claim.identity,
        identity_digest=claim.identity_digest,
        pixel_digest=getattr(prepared, "pixel_digest", None),
        state=State.INFERRED if ready is not None else State.OUT_OF_SCOPE,
        prediction=prediction(0.9) if ready is not None else None,
        reason=reason,
        flags=(),
        is_chest=True,
        priority=Priority.ROUTINE,
        priority_source=PrioritySource.DEFAULT,
        analysed_at=datetime.now(UTC),
        superseding_reason=None,
        after_reading=False,
        predecessors=(),
        number=1,
        other_images=(),
    )


def run(number: int, seed: int, folder: Path) -> Trial:
    """Take so many broken objects all the way."""
    made, mutator, trial = bases(), Mutator(random.Random(seed)), Trial(folder)
    for content in made:
        trial.take(content)
    before = Vitals.of(os.getpid())
    for _ in range(number):
        base = mutator.chance.choice(made)
        start = data_set_start(base)
        trial.take(base[:start] + mutator.object(base[start:]))
    grown = Vitals.of(os.getpid()).memory_bytes - before.memory_bytes
    trial.ends["MiB grown"] = grown >> 20
    if grown > MEMORY_BOUND_BYTES:
        trial.wrong.append(f"memory grew by {grown >> 20} MiB")
    return trial


if __name__ == "__main__":
    end_in_order()
    with tempfile.TemporaryDirectory(prefix="auscult-fuzz-") as temporary:
        done = run(int(sys.argv[1]), int(sys.argv[2]), Path(temporary))
    print(dict(done.ends))  # noqa: T201 - a program
    for line, times in Counter(done.wrong).most_common():
        print(f"WRONG: {line} ({times} times)")  # noqa: T201
    sys.exit(bool(done.wrong))
