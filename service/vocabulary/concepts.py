"""A coded concept: what a code means in its coding scheme.

References
----------
PS3.3 section 8.8 (Code Sequence macro)
"""

from typing import NamedTuple


class Concept(NamedTuple):
    """Code Value (0008,0100), Coding Scheme Designator (0008,0102) and Code Meaning (0008,0104)."""

    value: str
    scheme: str
    meaning: str
