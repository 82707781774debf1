"""Why an image is not analysed, and under which doubts it is analysed all the same."""

from docs.tables import table
from service.texts import texts_in
from service.vocabulary.facts import Flag, Reason
from service.vocabulary.language import Language

#: The settings that decide about a reason; the others cannot be changed by one.
SETTINGS = {
    Reason.MODALITY: "scope.modalities",
    Reason.SECONDARY_CAPTURE: "scope.secondary_capture",
    Reason.FOR_PROCESSING: "scope.for_processing",
    Reason.NOT_CHEST: "scope.body_parts",
    Reason.BODY_PART_UNKNOWN: "scope.unknown_body_part",
    Reason.VIEW_UNKNOWN: "scope.unknown_view",
    Reason.TOO_SMALL: "scope.minimum_rows",
    Reason.TOO_LARGE: "scope.maximum_pixels",
    Reason.AGE_OUTSIDE: "scope.age_outside",
    Reason.AGE_UNKNOWN: "scope.unknown_age",
    Reason.UPSIDE_DOWN: "scope.upside_down",
    Reason.UNLIKE_TRAINING: "scope.unlike_training",
}


def reasons() -> str:
    """Return the reasons in the order of the enumeration."""
    say = texts_in(Language.ENGLISH)
    rows = [
        (f"`{reason.value}`", f"NOT ANALYSED: {say.of(reason)}", f"`{SETTINGS[reason]}`" if reason in SETTINGS else "")
        for reason in Reason
    ]
    return table(("code", "in reports and on the worklist", "setting"), rows)


def flags() -> str:
    """Return the doubts under which an image is analysed."""
    say = texts_in(Language.ENGLISH)
    settings = {reason.value: f"`{setting}`" for reason, setting in SETTINGS.items()}
    rows = [(f"`{flag.value}`", f"Note: {say.of(flag)}", settings.get(flag.value, "")) for flag in Flag]
    return table(("code", "in the report", "setting"), rows)
