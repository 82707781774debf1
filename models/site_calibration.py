"""A site's own calibration of a checkpoint: laid over its card, never in place of it.

The file is JSON; its digest stands with each result that it took part in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from models.card import Card, OperatingPoint, PneumoniaCalibration
from models.estimate import Estimate

_FORMAT = 1


class UnusableCalibration(Exception):
    """The file is not a site's calibration, or is none of this checkpoint."""


@dataclass(frozen=True)
class SitePoint:
    """An operating point as the site's images have it; see `models.card.OperatingPoint`."""

    lower: float
    upper: float
    sensitivity: Estimate
    specificity: Estimate
    indeterminate: Estimate


@dataclass(frozen=True)
class SiteCalibration:
    """What a site's labelled images say of a checkpoint's P(pneumonia).

    Attributes
    ----------
    checkpoint_digest
        SHA-256 (hex) of the checkpoint that was measured, and of no other.
    slope, intercept
        P(pneumonia) becomes the logistic function of ``slope * logit(P) + intercept``.
    prevalence
        The share of pneumonia at which P(pneumonia) is stated then, in (0, 1).
    points
        By the names of the card's operating points.
    images
        Number of images that were measured, by class.
    digest
        SHA-256 (hex) of the file.
    """

    checkpoint_digest: str
    slope: float
    intercept: float
    prevalence: float
    points: Mapping[str, SitePoint]
    images: Mapping[str, int]
    digest: str = ""

    @classmethod
    def load(cls, path: Path) -> SiteCalibration:
        """Read a file.

        Raises
        ------
        UnusableCalibration
            When it cannot be read, or is not what `write` writes.
        """
        try:
            content = path.read_bytes()
            said = json.loads(content)
            if said.pop("format") != _FORMAT:
                raise ValueError("format")
            points = {name: _point(point) for name, point in said.pop("points").items()}
            found = cls(**said, points=points, digest=hashlib.sha256(content).hexdigest())
            if not (found.slope > 0 and 0 < found.prevalence < 1):
                raise ValueError("range")
        except OSError as error:
            raise UnusableCalibration(f"{path} cannot be read ({error.strerror})") from None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise UnusableCalibration(f"{path} is not a calibration that `auscult acceptance` wrote") from None
        return found

    def write(self, path: Path) -> None:
        """Write the file; its digest is that of its bytes."""
        said = {"format": _FORMAT, **asdict(self)}
        del said["digest"]
        path.write_text(json.dumps(said, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def laid_over(self, card: Card) -> Card:
        """Return the card with the site's calibration and limits; all else is the checkpoint's.

        Raises
        ------
        UnusableCalibration
            When the card does not calibrate P(pneumonia) by itself, or has a point that the site has none for.
        """
        apart = card.calibration.pneumonia
        if apart is None or not all(point.name in self.points for point in card.operating_points):
            raise UnusableCalibration("the checkpoint's card has no calibration that a site's can be laid over")
        own = PneumoniaCalibration(self.slope * apart.slope, self.slope * apart.intercept + self.intercept)
        calibration = replace(card.calibration, pneumonia=own, prevalence=self.prevalence)
        points = tuple(self._laid_over(point) for point in card.operating_points)
        return replace(card, calibration=calibration, operating_points=points)

    def _laid_over(self, point: OperatingPoint) -> OperatingPoint:
        own = self.points[point.name]
        return replace(
            point,
            lower=own.lower,
            upper=own.upper,
            sensitivity=own.sensitivity,
            specificity=own.specificity,
            indeterminate=own.indeterminate,
        )


def _point(said: Mapping[str, object]) -> SitePoint:
    lower, upper = said["lower"], said["upper"]
    if not (isinstance(lower, float) and isinstance(upper, float) and 0 < lower <= upper < 1):
        raise ValueError("limits")
    estimates = {name: Estimate(**said[name]) for name in ("sensitivity", "specificity", "indeterminate")}  # type: ignore[arg-type]
    return SitePoint(lower, upper, **estimates)
