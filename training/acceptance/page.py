"""The acceptance report: one HTML file that holds everything, pictures included."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.card import Card
from models.estimate import Estimate
from models.failures import FailureRow
from models.measurements import CalibrationError, SplitMeasurements, SubgroupRow
from models.site_calibration import SiteCalibration
from models.transforms import stretch
from training.fitting.dataset import LabelledImage, read_display_values

_STYLE = """
:root { color-scheme: light dark; } body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto;
padding: 0 1rem; } table { border-collapse: collapse; margin: .5rem 0 1.5rem; } th, td { text-align: left;
padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8885; vertical-align: top; } th { font-weight: 500; }
.films { display: grid; gap: 1rem;
grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); } figure { margin: 0; } img { width: 100%; }
figcaption { font-size: .85rem; overflow-wrap: anywhere; } .sheet { overflow-x: auto; }
"""


def render(
    card: Card,
    digest: str,
    metrics: Mapping[str, Estimate],
    measured: SplitMeasurements,
    parts: Sequence[SubgroupRow],
    site: SiteCalibration | None,
    failures: Sequence[tuple[FailureRow, LabelledImage]],
    count: int,
) -> str:
    """Return the report.

    Parameters
    ----------
    parts
        Figures by machine and by age.
    site
        The calibration that was fitted; None where there were too few images.
    failures
        Images that the balanced operating point calls wrong, the surest first; those that are shown.
    count
        Number of images that were analysed.
    """
    sections = [
        ("Figures", _table(("figure", "of these images"), [(name, _show(found)) for name, found in metrics.items()])),
        ("Kept out by the scope gate", _gate(measured)),
        ("Calibration", _calibration(measured)),
        ("Operating points of the checkpoint", _points(measured)),
        ("By machine and age", _parts(parts)),
        ("The site's own calibration", _site(site)),
        (f"What the balanced operating point calls wrong: {len(failures)} shown", _failures(failures)),
    ]
    body = "".join(f"<h2>{escape(heading)}</h2>{content}" for heading, content in sections)
    title = f"Acceptance of {card.name} {card.version}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        "<body><main>"
        f"<h1>{escape(title)}</h1><p>Research use only; not a medical device. Intervals are of 95 %, over patients.</p>"
        f"<p>{count} images; checkpoint SHA-256 <code>{escape(digest)}</code>.</p>{body}</main></body></html>\n"
    )


def _gate(measured: SplitMeasurements) -> str:
    rows = [
        (gate.label, str(gate.images), ", ".join(f"{count} {why}" for why, count in gate.reasons.items()) or "none")
        for gate in measured.gate
    ]
    return _table(("class", "images", "kept out"), rows)


def _calibration(measured: SplitMeasurements) -> str:
    check = measured.calibration
    rows = [
        ("slope; 1 is right, below it the probabilities are too extreme", _show(check.slope)),
        ("intercept at slope 1; above 0 pneumonia is more frequent than said", _show(check.intercept)),
        (
            "expected calibration error",
            _error(check.error),
        ),
    ]
    return _table(("figure", "of these images"), rows)


def _error(error: CalibrationError) -> str:
    return (
        f"{error.value:.3f}; perfect calibration gives these images {error.expected:.3f},"
        f" and below {error.upper:.3f} in 95 %"
    )


def _points(measured: SplitMeasurements) -> str:
    heads = ("sensitivity", "specificity", "missed", "alarmed", "indeterminate")
    rows = [(row.operating_point, *(_show(getattr(row, head)) for head in heads)) for row in measured.operating_points]
    return _table(("point", *heads), rows)


def _parts(parts: Sequence[SubgroupRow]) -> str:
    names = ("auc", "sensitivity", "specificity")
    rows = [
        (
            part.aspect,
            part.value + (" (too few to compare)" if part.small else ""),
            f"{part.images} of {part.patients}",
            *(_show(part.metrics.get(name)) for name in names),
        )
        for part in parts
    ]
    if not rows:
        return "<p>Neither headers nor the manifest tell machine or age.</p>"
    return _table(("by", "part", "images of patients", *names), rows)


def _site(site: SiteCalibration | None) -> str:
    if site is None:
        return "<p>There are too few images for it.</p>"
    rows = [
        (
            name,
            f"{point.lower:.4f}",
            f"{point.upper:.4f}",
            *map(_show, (point.sensitivity, point.specificity, point.indeterminate)),
        )
        for name, point in site.points.items()
    ]
    return (
        f"<p>Slope {site.slope:.4f}, intercept {site.intercept:.4f} on the logit of P(pneumonia), stated for a share of"
        f" pneumonia of {site.prevalence:.1%}. Limits keep the promises of the card on images that did not take part in"
        " their own calibration.</p>"
    ) + _table(("point", "negative below", "positive from", "sensitivity", "specificity", "indeterminate"), rows)


def _failures(failures: Sequence[tuple[FailureRow, LabelledImage]]) -> str:
    figures = "".join(
        f'<figure><img alt="{escape(row.name)}" src="{_picture(read_display_values(image.path))}"><figcaption>'
        f"{escape(row.name)}: {escape(row.label)} called {escape(row.outcome)}, P(pneumonia) {row.p_pneumonia:.3f}"
        "</figcaption></figure>"
        for row, image in failures
    )
    return f'<div class="films">{figures}</div>' if figures else "<p>None.</p>"


def _picture(display: NDArray[np.float32]) -> str:
    """Return display values as a small PNG in a data URL, without anything that the file said of the patient."""
    grey = Image.fromarray(np.clip(np.rint(stretch(display) * 255), 0, 255).astype(np.uint8))
    buffer = BytesIO()
    grey.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join(_lines(heads, rows))


def _lines(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield '<div class="sheet"><table><thead><tr>'
    yield from (f'<th scope="col">{escape(head)}</th>' for head in heads)
    yield "</tr></thead><tbody>"
    for first, *others in rows:
        yield f'<tr><th scope="row">{escape(first)}</th>'
        yield from (f"<td>{escape(cell)}</td>" for cell in others)
        yield "</tr>"
    yield "</tbody></table></div>"


def _show(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
