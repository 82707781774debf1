"""What makes the reports: the gateway as a device, and the network as an algorithm inside it.

References
----------
PS3.3 section C.7.5.1 (General Equipment); IHE Radiology AI Results
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

from service.vocabulary.findings import Prediction
from service.vocabulary.uids import MANUFACTURER, derive_uid


@dataclass(frozen=True)
class Equipment:
    """One installation of auscult.

    Attributes
    ----------
    software_version
        Version of the distribution, such as "1.0.0".
    device_serial_number
        Serial number of the installation, at most 64 characters.
    institution
        Institution Name of the reports; the source's when empty.
    content_qualification
        ``"RESEARCH"``, ``"PRODUCT"`` or ``"SERVICE"``, PS3.3 section C.8.13.2.
    """

    software_version: str
    device_serial_number: str = "1"
    institution: str = ""
    content_qualification: str = "RESEARCH"

    @property
    def name(self) -> str:
        """Device Observer Name: brand and version."""
        return f"{MANUFACTURER} {self.software_version}"

    def device_uid(self, algorithm: "Algorithm | None") -> str:
        """Return the UID of the device as it was for this result: another checkpoint makes it another device."""
        judged_by = (algorithm.checkpoint_digest, *filter(None, [algorithm.calibration_digest])) if algorithm else ("",)
        return derive_uid("device", self.device_serial_number, self.software_version, *judged_by)


class Algorithm(NamedTuple):
    """The network that judged, and how: what many results have in common."""

    name: str
    version: str
    checkpoint_digest: str
    operating_point: str
    transform: str
    calibration_digest: str | None

    @classmethod
    def of(cls, prediction: Prediction) -> Self:
        """Return what a prediction names."""
        return cls(
            prediction.checkpoint_name,
            prediction.checkpoint_version,
            prediction.checkpoint_digest,
            f"operating point {prediction.operating_point}: lower {prediction.lower:.6g}, upper {prediction.upper:.6g},"
            f" prevalence {prediction.prevalence:.6g}",
            prediction.transform,
            prediction.calibration_digest,
        )

    @property
    def digests(self) -> tuple[str, ...]:
        """What the result rests on: the checkpoint, and where there is one the site's own calibration."""
        checkpoint = f"checkpoint SHA-256 {self.checkpoint_digest}"
        if self.calibration_digest is None:
            return (checkpoint,)
        return checkpoint, f"site calibration SHA-256 {self.calibration_digest}"
