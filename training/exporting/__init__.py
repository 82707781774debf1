"""From a run to a checkpoint: calibration, graphs, what is observed of the network."""
