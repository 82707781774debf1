"""From which side an image was taken."""

from enum import Enum, auto

from pydicom.dataset import Dataset

from service.scope import words
from service.scope.attributes import SERIES_DESCRIPTIONS, STUDY_DESCRIPTIONS, code_items, texts


class View(Enum):
    """Direction of projection."""

    FRONTAL = auto()
    LATERAL = auto()
    OBLIQUE = auto()
    DECUBITUS = auto()


# PS3.3 C.8.1.3.1.1 (ViewPosition of CR), and what devices write besides.
_VIEW_POSITIONS = {
    **dict.fromkeys(("PA", "AP", "FRONTAL", "DV", "VD"), View.FRONTAL),
    **dict.fromkeys(("LL", "RL", "LAT", "LATERAL", "L LAT", "R LAT", "LLAT", "RLAT"), View.LATERAL),
    **dict.fromkeys(("RLD", "LLD"), View.DECUBITUS),
    **dict.fromkeys(("RLO", "LLO", "RAO", "LAO", "RPO", "LPO", "OBL", "OBLIQUE"), View.OBLIQUE),
}
# PS3.16 CID 4010 in SNOMED CT, and in the older SRT form.
_FRONTAL_CODES = "399348003 272479007 399033003 R-10206 R-10214 R-40888 R-10202"
_LATERAL_CODES = (
    "399067008 399173006 399198007 399352003 399260004 30730003 R-102CD R-10236 R-10232 R-10228 R-10224 G-A145"
)
_OBLIQUE_CODES = (
    "399182000 399312000 399059000 399135007 399356000 399184004 399236003 399006002 399038007 399160007 260427002 "
    "260426006 R-102C1 R-10208 R-10216 R-10220 R-40985 R-10238 R-10234 R-10212 R-10210 R-10204 R-40783 R-40782"
)
_VIEW_CODES = {
    **dict.fromkeys(_FRONTAL_CODES.split(), View.FRONTAL),
    **dict.fromkeys(_LATERAL_CODES.split(), View.LATERAL),
    **dict.fromkeys(_OBLIQUE_CODES.split(), View.OBLIQUE),
}


def view_named(position: str) -> View | None:
    """Return the direction of a View Position (0018,5101), such as "PA"; None when it has no known meaning."""
    return _VIEW_POSITIONS.get(position.upper())


def view_of(dataset: Dataset) -> View | None:
    """Tell from which side an image was taken; None when nothing says, or what is said is ambiguous.

    The first source that decides wins: View Position, the view code, the orientation of rows (anterior or posterior
    along a row is a lateral view), descriptions of the series, then of the study. A description that names two views,
    as a study of both has, decides nothing.
    """
    for text in texts(dataset, ("ViewPosition",)):
        view = _VIEW_POSITIONS.get(text.upper()) or _by_words(text)
        if view is not None:
            return view
    for code, meaning in code_items(dataset, "ViewCodeSequence"):
        view = _VIEW_CODES.get(code) or _by_words(meaning)
        if view is not None:
            return view
    view = _by_orientation(dataset)
    if view is not None:
        return view
    for text in texts(dataset, (*SERIES_DESCRIPTIONS, *STUDY_DESCRIPTIONS)):
        view = _by_words(text)
        if view is not None:
            return view
    return None


def _by_orientation(dataset: Dataset) -> View | None:
    """Decide by the direction of the rows (PS3.3 C.7.6.1.1.1)."""
    row = next(texts(dataset, ("PatientOrientation",)), "").upper()
    if row in ("L", "R"):
        return View.FRONTAL
    return View.LATERAL if row in ("A", "P") else None


def _by_words(text: str) -> View | None:
    if words.DECUBITUS.occurs_in(text):
        return View.DECUBITUS
    if words.OBLIQUE.occurs_in(text):
        return View.OBLIQUE
    lateral, frontal = words.LATERAL.occurs_in(text), words.FRONTAL.occurs_in(text)
    if lateral == frontal:
        return None
    return View.LATERAL if lateral else View.FRONTAL
