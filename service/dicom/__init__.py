"""DICOM itself: associations, instances, and their pixels."""
