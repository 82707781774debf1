"""Compute a result again from the stored bytes, and say how exactly it agrees."""

import json
from dataclasses import asdict, dataclass, replace
from io import BytesIO

import numpy as np

from service.dicom.pixels import decode, read_instance
from service.ledger import Ledger
from service.objects import ObjectStore
from service.settings import Settings
from service.vocabulary.errors import AuscultError
from service.vocabulary.findings import Prediction
from worker.network import Network, load_network, site_calibration
from worker.networks import load_checkpoints

#: On another runtime or processor the last bits differ; more than this is another result.
TOLERANCE = 1e-4
#: What must be equal for every bit to be, with what results had before it was recorded.
_BIT_FOR_BIT = {
    "runtime": None,
    "version": None,
    "device": None,
    "precision": "float32",
    "processor": None,
    "threads": None,
}


@dataclass(frozen=True)
class Replay:
    """How a second computation compares with the one in the ledger.

    Attributes
    ----------
    comparable
        What the two computations have in common: "bit for bit" (same runtime, version, processor, threads and batch
        size: every bit must agree) or "tolerance" (else: 1e-4 and the same decision).
    largest_difference
        The largest difference between two probabilities, in [0, 1].
    """

    sop_instance_uid: str
    comparable: str
    same_input: bool
    same_decision: bool
    largest_difference: float

    @property
    def agrees(self) -> bool:
        """Whether the result is the same, as exactly as can be asked."""
        limit = 0.0 if self.comparable == "bit for bit" else TOLERANCE
        return self.same_input and self.same_decision and self.largest_difference <= limit

    def as_json(self) -> str:
        """Return the comparison as JSON."""
        return json.dumps({**asdict(self), "agrees": self.agrees})

    def sentence(self) -> str:
        """Return the comparison as a sentence."""
        if not self.same_input:
            return "DIFFERENT: the network's input is not the recorded one; the transform or the decoder has changed"
        size = f"largest difference of a probability {self.largest_difference:.2g}"
        if self.agrees:
            exactly = "bit for bit" if self.largest_difference == 0 else f"within {TOLERANCE:g}, with the same decision"
            return f"the same, {exactly} ({size}; compared by: {self.comparable})"
        decision = "the same" if self.same_decision else "another"
        return f"DIFFERENT: {size}, decision {decision} (compared by: {self.comparable})"


def replay(settings: Settings, ledger: Ledger, store: ObjectStore, sop_instance_uid: str) -> Replay:
    """Compute the result of an instance again.

    Raises
    ------
    AuscultError
        When there is no result, the checkpoint at hand is another, or retention has removed the pixels.
    """
    recorded = ledger.results.latest(sop_instance_uid)
    if recorded is None:
        raise AuscultError(_without_result(ledger, sop_instance_uid))
    if recorded.object_removed_at is not None:
        raise AuscultError(
            f"the pixels of {sop_instance_uid} were removed by retention at {recorded.object_removed_at.isoformat()};"
            " the recorded result stands. Send the image again to compute it again"
        )
    prediction = recorded.prediction
    precision = prediction.runtime.get("precision", "float32")
    checkpoints = {item.digest: item for item in load_checkpoints(settings.analysis)}
    if prediction.checkpoint_digest not in checkpoints:
        raise AuscultError(
            f"the result came from checkpoint {prediction.checkpoint_name} {prediction.checkpoint_version}"
            f" ({prediction.checkpoint_digest[:12]}), not from one at hand; point analysis.checkpoint to it"
        )
    own = site_calibration(settings.analysis)
    if prediction.calibration_digest != (own.digest if own is not None else None):
        raise AuscultError(
            f"the result came by the site's calibration {(prediction.calibration_digest or 'none')[:12]}, which is not"
            " the one that the settings name; point analysis.calibration to it"
        )
    folder = checkpoints[prediction.checkpoint_digest].folder
    # In the recorded precision, whatever the setting says today: 8-bit results differ in more than the last bits.
    network = load_network(settings.analysis.model_copy(update={"precision": precision}), folder)
    again = _compute(settings, store, network, recorded.object_key, prediction)
    differences = [abs(again.probabilities[name] - value) for name, value in prediction.probabilities.items()]
    exact = all(again.runtime[key] == prediction.runtime.get(key, before) for key, before in _BIT_FOR_BIT.items())
    return Replay(
        sop_instance_uid=sop_instance_uid,
        comparable="bit for bit" if exact else "tolerance",
        same_input=again.input_digest == prediction.input_digest,
        same_decision=(again.outcome, again.pneumonia_type) == (prediction.outcome, prediction.pneumonia_type),
        largest_difference=max(*differences, float(np.abs(again.cam - prediction.cam).max())),
    )


def _without_result(ledger: Ledger, uid: str) -> str:
    """Say what a UID is that is no image's with a result, and which images are meant."""
    history = ledger.inspection.history(uid)
    if history is None:
        return f"the ledger knows no image {uid}; `auscult worklist --uids` lists the studies"
    if any(version.sop_instance_uid == uid for version in history.versions):
        return f"the ledger has no result for {uid}; `auscult show {uid}` tells what became of it"
    images = dict.fromkeys(view.sop_instance_uid for view in history.versions if view.result is not None)
    what = "a study" if history.study.study_instance_uid == uid else "a report"
    if not images:
        return f"{uid} is {what}'s UID, and no image of that study has a result; `auscult show {uid}` tells why"
    return f"{uid} is {what}'s UID; replay takes an image's. Images of that study with a result: {', '.join(images)}"


def _compute(settings: Settings, store: ObjectStore, network: Network, key: str, recorded: Prediction) -> Prediction:
    dataset = read_instance(BytesIO(store.read(key)))
    display = decode(dataset, max_pixels=settings.scope.maximum_pixels).display()
    output = network.predictor.replay(display, int(recorded.runtime.get("batch_size", 1)))
    at_recorded_point = replace(
        network, operating_point=recorded.operating_point, expected_prevalence=recorded.prevalence
    )
    return at_recorded_point.prediction(output)
