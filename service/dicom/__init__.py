"""DICOM itself: associations, instances, and their pixels."""

from pydicom import config

# pydicom warns of malformed values and quotes them, so a malformed name or birth date would reach standard error.
config.settings.reading_validation_mode = config.IGNORE
