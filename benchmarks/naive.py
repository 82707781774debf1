"""The service that a competent afternoon brings about, to measure auscult against.

pynetdicom's own listener writes what arrives with `save_as` and hands the file to one of several processes, which knows
nothing of the others: pydicom's look-up tables, the same network in torch as it comes, Grad-CAM by hooks, three objects
by highdicom, and an association for each image's reports. Nothing is durable, and nothing is tried again.

Usage: python -m benchmarks.naive --port PORT --to PORT --folder FOLDER [--workers 2]
"""

import argparse
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    Comprehensive3DSRStorage,
    EnhancedSRStorage,
    SecondaryCaptureImageStorage,
)

from models.checkpoint import Checkpoint, default_path
from models.decision import calibrate, decide
from models.transforms import to_batch

#: What a worker process keeps between two images.
_state: dict[str, Any] = {}


@dataclass(frozen=True)
class Result:
    """What the network says of an image.

    Attributes
    ----------
    heat
        float32, rows x columns of the image, in [0, 1].
    """

    outcome: str
    p_pneumonia: float
    heat: NDArray[np.float32]


def _start_worker(threads: int) -> None:
    from models.runtimes import TorchRuntime

    checkpoint = Checkpoint.load(default_path())
    _state.update(checkpoint=checkpoint, network=TorchRuntime(checkpoint, "cpu", threads).network)


def _work(path: Path, port: int) -> None:
    dataset = dcmread(path)
    values = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset).astype(np.float32)
    display = (values - values.min()) / max(float(np.ptp(values)), 1.0)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        display = 1 - display
    _send(_objects(dataset, display, _predict(display)), port)


def _predict(display: NDArray[np.float32]) -> Result:
    """Return probabilities and Grad-CAM (Selvaraju et al., 2017) by a forward and a backward hook."""
    import torch

    checkpoint, network = _state["checkpoint"], _state["network"]
    seen: dict[str, torch.Tensor] = {}

    def keep(_module: Any, _inputs: Any, output: torch.Tensor) -> None:
        seen["features"] = output
        output.register_hook(lambda gradient: seen.__setitem__("gradient", gradient))

    hook = network.backbone.register_forward_hook(keep)
    logits = network(torch.from_numpy(to_batch(checkpoint.card.transform, [display])))
    probabilities = calibrate(logits.detach().numpy(), checkpoint.card.calibration, checkpoint.card.pneumonia_classes)
    named = dict(zip(checkpoint.card.classes, map(float, probabilities[0]), strict=True))
    decision = decide(named, checkpoint.card, "balanced", None)
    logits[0, int(logits[0].argmax())].backward()
    hook.remove()
    weights = seen["gradient"].mean(dim=(2, 3), keepdim=True)
    cam = torch.relu((weights * seen["features"]).sum(dim=1))[0].detach().numpy()
    rows, columns = display.shape
    heat = cv2.resize(cam / max(float(cam.max()), 1e-6), (columns, rows), interpolation=cv2.INTER_LINEAR)
    return Result(str(decision.outcome), decision.p_pneumonia, np.asarray(heat, dtype=np.float32))


def _objects(source: Dataset, display: NDArray[np.float32], result: Result) -> list[Dataset]:
    """Return a text report, a Measurement Report and a picture."""
    from highdicom.sc import SCImage
    from highdicom.sr import Comprehensive3DSR, EnhancedSR

    def attributes() -> dict[str, Any]:
        return {
            "series_instance_uid": generate_uid(),
            "series_number": 901,
            "sop_instance_uid": generate_uid(),
            "instance_number": 1,
            "manufacturer": "naive",
        }

    document: dict[str, Any] = {"evidence": [source], "is_complete": True, "is_verified": False, "is_final": False}
    grey = np.rint(display * 255).astype(np.uint8)
    warm = cv2.cvtColor(cv2.applyColorMap(np.rint(result.heat * 255).astype(np.uint8), 2), cv2.COLOR_BGR2RGB)
    picture = cv2.addWeighted(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), 0.7, warm, 0.3, 0)
    line = f"NAIVE {result.outcome} {result.p_pneumonia:.0%}"
    cv2.putText(picture, line, (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 255, 255), 2)
    return [
        EnhancedSR(content=_text(source, result), **attributes(), **document),
        Comprehensive3DSR(content=_measurements(source, result), **attributes(), **document),
        SCImage.from_ref_dataset(
            ref_dataset=source,
            pixel_array=picture,
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            patient_orientation=("L", "F"),
            transfer_syntax_uid=ExplicitVRLittleEndian,
            **attributes(),
        ),
    ]


def _text(source: Dataset, result: Result) -> Any:
    from highdicom import sr
    from pydicom.sr.codedict import codes

    contains = sr.RelationshipTypeValues.CONTAINS
    lines = (f"Pneumonia: {result.outcome}", f"Probability {result.p_pneumonia:.1%}", "Not for clinical use")
    root = sr.ContainerContentItem(
        sr.CodedConcept("18748-4", "LN", "Diagnostic imaging report"), is_content_continuous=False
    )
    root.ContentSequence = sr.ContentSequence(
        [
            *(sr.TextContentItem(codes.DCM.Finding, line, relationship_type=contains) for line in lines),
            sr.ImageContentItem(
                codes.DCM.SourceImage, source.SOPClassUID, source.SOPInstanceUID, relationship_type=contains
            ),
        ]
    )
    return root


def _measurements(source: Dataset, result: Result) -> Any:
    from highdicom import sr
    from pydicom.sr.codedict import codes

    rows, columns = source.Rows, source.Columns
    outline = np.array([[1, 1], [columns, 1], [columns, rows], [1, rows], [1, 1]], dtype=np.float32)
    probability = sr.CodedConcept("PPNEU", "99NAIVE", "P(pneumonia)")
    per_cent = sr.CodedConcept("%", "UCUM", "Percent")
    group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=generate_uid(), identifier="pneumonia"),
        referenced_region=sr.ImageRegion(
            graphic_type=sr.GraphicTypeValues.POLYLINE,
            graphic_data=outline,
            source_image=sr.SourceImageForRegion(source.SOPClassUID, source.SOPInstanceUID),
        ),
        finding_sites=[sr.FindingSite(anatomic_location=codes.SCT.Thorax)],
        measurements=[sr.Measurement(probability, 100 * result.p_pneumonia, per_cent)],
    )
    observer = sr.ObserverContext(codes.DCM.Device, sr.DeviceObserverIdentifyingAttributes(uid=generate_uid()))
    return sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=sr.CodedConcept("399208008", "SCT", "Plain chest X-ray"),
        imaging_measurements=[group],
        title=codes.DCM.ImagingMeasurementReport,
    )


def _send(objects: Sequence[Dataset], port: int) -> None:
    entity = AE("NAIVE")
    for sop_class in (EnhancedSRStorage, Comprehensive3DSRStorage, SecondaryCaptureImageStorage):
        entity.add_requested_context(sop_class, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port)
    if not association.is_established:
        raise ConnectionError("the destination takes no association")
    for instance in objects:
        if association.send_c_store(instance).get("Status") != 0x0000:
            raise ConnectionError("the destination did not take a report")
    association.release()


def main() -> None:
    """Serve until the process is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    chosen = parser.parse_args()
    threads = max(1, len(os.sched_getaffinity(0)) // chosen.workers)
    pool = ProcessPoolExecutor(chosen.workers, get_context("spawn"), _start_worker, (threads,))
    # Loaded before the first image comes: its start is not what is measured.
    for future in [pool.submit(_warm) for _ in range(2 * chosen.workers)]:
        future.result()

    def store(event: evt.Event) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        path = chosen.folder / f"{datetime.now():%Y%m%d%H%M%S%f}-{UID(dataset.SOPInstanceUID)}.dcm"  # noqa: DTZ005
        dataset.save_as(path, enforce_file_format=True)
        pool.submit(_work, path, chosen.to).add_done_callback(_complain)
        return 0x0000

    entity = AE("AUSCULT")
    entity.supported_contexts = AllStoragePresentationContexts
    entity.maximum_pdu_size = 131072
    entity.start_server(("127.0.0.1", chosen.port), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    threading.Event().wait()


def _warm() -> None:
    _predict(np.random.default_rng(0).random((512, 512), dtype=np.float32))


def _complain(future: Future[None]) -> None:
    if future.exception() is not None:
        raise RuntimeError("the naive service could not bring an image to its reports") from future.exception()


if __name__ == "__main__":
    main()
