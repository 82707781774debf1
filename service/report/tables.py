"""highdicom's tables of the modules of the standard: 65 MB, read for the first object of a shape, and kept by it.

References
----------
PS3.3 Annex A (IODs) and Annex C (modules)
"""

from highdicom import _standard_utils


def forget_tables() -> bool:
    """Let go of the tables; return whether there were any. The next shape of a report has them read again."""
    kept = _standard_utils.get_module_attribute_map
    had = kept.cache_info().currsize > 0
    kept.cache_clear()
    return had
