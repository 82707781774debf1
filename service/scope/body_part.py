"""Which part of the body an image shows.

References
----------
PS3.3 sections C.7.3.1 (Body Part Examined) and C.8.11.2 (Anatomic Region Sequence); PS3.16 Annex L
"""

from collections.abc import Iterable

from pydicom.dataset import Dataset

from service.scope import words
from service.scope.attributes import SERIES_DESCRIPTIONS, STUDY_DESCRIPTIONS, code_items, texts

# Chest, thorax, thoracic cavity, lung, chest and abdomen, neck and chest: SNOMED CT and its older SRT form.
_CHEST_CODES = frozenset(
    {"816094009", "51185008", "43799004", "39607008", "416550000", "417437006"}
    | {"T-D3000", "T-D3200", "T-28000", "R-FAB55", "R-FAB52"}
)


def is_chest(dataset: Dataset, body_parts: Iterable[str]) -> bool | None:
    """Tell whether an image shows the chest; None when nothing says.

    The first source that decides wins: Body Part Examined, the anatomic region, descriptions of the series, then of the
    study.

    Parameters
    ----------
    body_parts
        Values of Body Part Examined that count as chest.
    """
    accepted = {part.upper() for part in body_parts}
    for value in texts(dataset, ("BodyPartExamined",)):
        if value.upper().replace(" ", "_") in accepted or value.upper() in accepted:
            return True
    for code, meaning in code_items(dataset, "AnatomicRegionSequence"):
        if code in _CHEST_CODES:
            return True
        decided = _by_words(meaning)
        if decided is not None:
            return decided
    for keywords in (("BodyPartExamined",), SERIES_DESCRIPTIONS, STUDY_DESCRIPTIONS):
        for text in texts(dataset, keywords):
            decided = _by_words(text)
            if decided is not None:
                return decided
    return None


def _by_words(text: str) -> bool | None:
    """Decide by the words of one text; None when it names no part, or the chest and another."""
    chest, other = words.CHEST.occurs_in(text), words.OTHER_BODY_PART.occurs_in(text)
    # A text that names both does not say which of them the image shows; the next source may.
    return None if chest == other else chest
