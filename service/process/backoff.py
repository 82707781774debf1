"""Pauses that grow: how long a peer that could not be told is left alone."""

import random


def backoff(attempts: int, first: float, longest: float) -> float:
    """Return the seconds before the next attempt: doubled each time, with jitter of up to a half, at most `longest`."""
    return min(longest, first * 2.0 ** min(attempts - 1, 30)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret
