"""Acceptance: a checkpoint on a site's own labelled images, and the calibration that follows."""
