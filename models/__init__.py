"""Networks, checkpoints and what turns an image into calibrated probabilities; knows neither DICOM nor SQL."""
