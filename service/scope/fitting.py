"""Is an image of the population that a checkpoint was validated on? Asked where there are several checkpoints."""

from math import floor

from pydicom.dataset import Dataset

from service.scope.age import age_in_years
from service.scope.attributes import texts
from service.scope.body_part import is_chest
from service.scope.verdict import PopulationLimits
from service.scope.view import view_named, view_of
from service.settings import ScopeSettings


def fits(dataset: Dataset, population: PopulationLimits, rules: ScopeSettings) -> bool:
    """Tell whether nothing in a header says that the image is of another population, and its age says that it is of it.

    An unknown view or body part speaks against no population. An unknown age speaks against each that has limits: what
    was validated on children must not be chosen for want of a better.
    """
    return (
        age_lies_within(age_in_years(dataset), population)
        and _view_is_of(dataset, population)
        and is_chest(dataset, rules.body_parts) is not False
    )


def age_lies_within(age: float | None, population: PopulationLimits) -> bool:
    """Compare an age in years with both limits, which are completed years and included."""
    youngest, oldest = population.minimum_age_years, population.maximum_age_years
    if age is None:
        return youngest is None and oldest is None
    return (youngest is None or age >= youngest) and (oldest is None or floor(age) <= oldest)


def _view_is_of(dataset: Dataset, population: PopulationLimits) -> bool:
    """Compare the view: by its very name where both name it so (PA and AP are two), else by its direction."""
    if not population.views:
        return True
    known = {name.upper() for name in population.views}
    position = next(texts(dataset, ("ViewPosition",)), "").upper()
    if position in ("PA", "AP") and known <= {"PA", "AP"}:
        return position in known
    view = view_of(dataset)
    return view is None or view in {view_named(name) for name in known}
