"""On which machine, and how, an image was made: of the equipment alone, nothing of the patient."""

from dataclasses import dataclass


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


#: Of an image whose header names nothing of it.
UNKNOWN = Acquisition()
