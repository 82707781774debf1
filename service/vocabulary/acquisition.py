"""On which machine, and how, an image was made: of the equipment alone, nothing of the patient."""

from dataclasses import dataclass
from enum import StrEnum

#: What View Position may say (PS3.3 section C.8.1.3); of other words a sender could make any number.
VIEW_POSITIONS = frozenset({"AP", "PA", "LL", "RL", "RLD", "LLD", "RLO", "LLO"})
#: Stands for every other word.
OTHER_VIEW = "OTHER"


@dataclass(frozen=True)
class Machine:
    """A machine as its images name it; text as decoded, empty where the attribute is absent.

    References
    ----------
    PS3.3 section C.7.5.1 (General Equipment)
    """

    manufacturer: str = ""
    model_name: str = ""
    station_name: str = ""
    device_serial_number: str = ""


#: Stands for all machines beyond those that are told apart.
OTHER_MACHINES = Machine(station_name="*")


class KvpBand(StrEnum):
    """A range of tube voltages; within one, films of a machine look alike.

    References
    ----------
    European guidelines on quality criteria for diagnostic radiographic images, EUR 16261 (children: 60 to 80 kV) and
    EUR 16260 (adults: 125 kV, with a grid)
    """

    LOW = "low"
    """Up to 80 kV."""
    MEDIUM = "medium"
    """Above 80 and below 100 kV."""
    HIGH = "high"
    """100 kV and more."""
    UNKNOWN = "unknown"
    """The image names none that can be."""


@dataclass(frozen=True)
class Acquisition:
    """How one image was made.

    Attributes
    ----------
    view_position
        View Position (0018,5101) in capitals, such as "PA"; empty where the image names none.
    kvp
        Peak kilovoltage of the tube (0018,0060), in kilovolt; None where the image names none that can be.
    """

    machine: Machine = Machine()
    view_position: str = ""
    kvp: float | None = None

    @property
    def kvp_band(self) -> KvpBand:
        """Which band the voltage lies in."""
        if self.kvp is None:
            return KvpBand.UNKNOWN
        return KvpBand.LOW if self.kvp <= 80 else KvpBand.MEDIUM if self.kvp < 100 else KvpBand.HIGH

    @property
    def view(self) -> str:
        """The view among those that there are; empty where the image names none."""
        return self.view_position if self.view_position in {"", *VIEW_POSITIONS} else OTHER_VIEW


#: Of an image whose header names nothing of it.
UNKNOWN = Acquisition()
