"""The demonstration: synthetic radiographs and what wraps pictures as DICOM objects."""
