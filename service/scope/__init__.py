"""Is this image what the network was validated on? When not, the reason is said and kept.

Silence never reads as normal: each image that is not analysed has a `Reason`; what is analysed in spite of a doubt
carries a `Flag`.
"""

from service.scope.age import age_in_years
from service.scope.fitting import fits
from service.scope.gate import blank, judge, judge_distance, judge_orientation
from service.scope.verdict import PopulationLimits, ScopeVerdict

__all__ = [
    "PopulationLimits",
    "ScopeVerdict",
    "age_in_years",
    "blank",
    "fits",
    "judge",
    "judge_distance",
    "judge_orientation",
]
