"""Whether a received document says that a person has read the study: complete, and verified by an observer.

The report of a person is no report of ours, nor of another device: the observer who verifies is a person or an
organisation that is responsible for the content (PS3.3 section C.17.2). Measurements, dose reports and the findings of
computer-aided detection are documents of other SOP classes, or not verified.
"""

from collections.abc import Mapping
from pathlib import Path

from service.dicom.header import read_values
from service.vocabulary.errors import NotDicom

#: Basic Text, Enhanced, Comprehensive, Comprehensive 3D and Extensible SR (PS3.4 Table B.5-1).
DOCUMENTS = frozenset(f"1.2.840.10008.5.1.4.1.1.88.{number}" for number in (11, 22, 33, 34, 35))

_COMPLETION_FLAG = 0x0040A491
_VERIFICATION_FLAG = 0x0040A493
_PRELIMINARY_FLAG = 0x0040A496
_WANTED = frozenset({_COMPLETION_FLAG, _VERIFICATION_FLAG, _PRELIMINARY_FLAG})


def is_final_report(path: Path, offset: int, sop_class_uid: str, transfer_syntax_uid: str, maximum_bytes: int) -> bool:
    """Tell whether a document is a person's final report; what cannot be read is none.

    Parameters
    ----------
    path, offset
        The file, and where in it the data set begins.
    maximum_bytes
        Most bytes that a deflated data set may inflate to.

    References
    ----------
    PS3.3 section C.17.2 and Table C.17-2
    """
    if sop_class_uid not in DOCUMENTS:
        return False
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(offset)
        try:
            values = read_values(file, size, transfer_syntax_uid, _WANTED, maximum_bytes)
        except NotDicom:
            return False
    return (
        _word(values, _COMPLETION_FLAG) == "COMPLETE"
        and _word(values, _VERIFICATION_FLAG) == "VERIFIED"
        and _word(values, _PRELIMINARY_FLAG) != "PRELIMINARY"
    )


def _word(values: Mapping[int, bytes], tag: int) -> str:
    return values.get(tag, b"").decode("ascii", "replace").strip("\0 ")
