"""On which machine, and how, an image was made, from the encoded values of its header.

Whatever a value is, it refuses no image: what cannot be understood counts as absent.
"""

import math
from collections.abc import Mapping

from service.dicom.characters import CharacterSet
from service.dicom.normalised import encoded_text
from service.vocabulary.acquisition import Acquisition, Machine

_KVP = 0x00180060
_VIEW_POSITION = 0x00185101
#: The machine's attributes, by the field of `Machine` that holds each.
_MACHINE = {
    "manufacturer": (0x00080070, "Manufacturer"),
    "model_name": (0x00081090, "ManufacturerModelName"),
    "station_name": (0x00081010, "StationName"),
    "device_serial_number": (0x00181000, "DeviceSerialNumber"),
}
TAGS = frozenset({_KVP, _VIEW_POSITION, *(tag for tag, _ in _MACHINE.values())})
#: Longest value of LO in characters (PS3.5 Table 6.2-1); what is longer breaks its value representation and is cut.
_LONGEST = 64
#: No tube of radiography has a higher voltage, in kilovolt.
_HIGHEST_KVP = 1000.0


def acquisition_of(values: Mapping[int, bytes], known: CharacterSet) -> Acquisition:
    """Return what the encoded values of `TAGS`, as far as there are any, say.

    References
    ----------
    PS3.3 sections C.7.5.1 (General Equipment), C.8.1.2 (CR Series: KVP) and C.8.1.3 (View Position)
    """
    machine = Machine(
        **{name: _text(encoded_text(keyword, values.get(tag, b""), known)) for name, (tag, keyword) in _MACHINE.items()}
    )
    view = _text(encoded_text("ViewPosition", values.get(_VIEW_POSITION, b""), known)).upper()[:16]
    return Acquisition(machine, view, _kilovolt(values.get(_KVP, b"")))


def _text(text: str) -> str:
    # What no screen shows, and no database need take, tells no machine from another.
    return "".join(character for character in text if character.isprintable()).strip()[:_LONGEST].strip()


def _kilovolt(value: bytes) -> float | None:
    """Return the number of a Decimal String, the first where there are several (PS3.5 section 6.2, DS)."""
    try:
        number = float(value.split(b"\\")[0].strip(b" \0"))
    except ValueError:
        return None
    return number if math.isfinite(number) and 0 < number <= _HIGHEST_KVP else None
