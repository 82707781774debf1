"""Drift: whether the images of a machine, and what the network says of them, are still what they were."""
