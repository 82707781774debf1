"""What drift is watched by: characteristics of images whose share is not what it was."""

from enum import StrEnum


class Characteristic(StrEnum):
    """What images of a machine show more often than those of its reference."""

    MORE_POSITIVE = "more_positive"
    """Called positive."""
    FEWER_POSITIVE = "fewer_positive"
    """Analysed and not called positive."""
    HIGHER_PROBABILITY = "higher_probability"
    """P(pneumonia) above the reference's median."""
    LOWER_PROBABILITY = "lower_probability"
    """P(pneumonia) below it."""
    GREATER_DISTANCE = "greater_distance"
    """Farther from the training images than nine of ten images of the reference."""
    MORE_ABSTENTIONS = "more_abstentions"
    """Not analysed, failed, held or indeterminate."""


class ReferenceKind(StrEnum):
    """What a machine's images are compared with."""

    SITE = "site"
    """Images of the same machine and view in the site's reference window."""
    CARD = "card"
    """What the checkpoint's card says of its validation images, until the window is complete."""
