"""DICOM itself: associations, instances, and their pixels."""

from pydicom import config

# What is received is read as it is. pydicom would warn of each value that breaks a rule of its VR, on standard error
# and at times with the value in it.
config.settings.reading_validation_mode = config.IGNORE
