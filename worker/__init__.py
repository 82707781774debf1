"""The workers: inference, where DICOM meets the network, and delivery, which never does."""
