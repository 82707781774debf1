"""`auscult acceptance`: a checkpoint on a site's own labelled images."""

from __future__ import annotations

from pathlib import Path

import click

from training.cli_options import CHECKPOINT, DATA, THREADS, faults_named, load_predictor

_SHOWN = 24


@click.command()
@click.option(
    "--data",
    type=DATA,
    required=True,
    help="Labelled images as `auscult evaluate` reads them; a manifest may have the columns machine and age (years),"
    " which DICOM headers tell otherwise.",
)
@click.option("--split", help="Only this split.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The HTML file to write.")
@click.option(
    "--calibration",
    "overlay",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the site's own calibration here, for analysis.calibration.",
)
@click.option(
    "--prevalence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of pneumonia among the site's images, for which the calibration states its probabilities; that of the"
    " labelled images where none is given.",
)
@CHECKPOINT
@THREADS
def acceptance(
    data: Path,
    split: str | None,
    out: Path | None,
    overlay: Path | None,
    prevalence: float | None,
    folder: Path | None,
    threads: int,
) -> None:
    """Measure a checkpoint on a site's labelled images, by machine and age, and fit the site's own calibration.

    The report is one HTML file with pictures of what was called wrong: keep it where patients' images may be kept.
    """
    try:
        from training.acceptance.aspects import aspects_of
        from training.acceptance.page import render
        from training.acceptance.recalibration import recalibrate
        from training.fitting.dataset import find_images
        from training.measuring.assessment import summarise
        from training.measuring.failures import failures_of
        from training.measuring.gated import evaluate_after_gate
        from training.measuring.subgroups import measure_parts
    except ImportError as error:
        raise click.ClickException(f"{error.name} is not installed here: pip install 'auscult[train]'") from None

    predictor = load_predictor(folder, threads)
    checkpoint, card = predictor.checkpoint, predictor.checkpoint.card
    with faults_named():
        images = find_images(data, card.classes, split)
        evaluation, measured = evaluate_after_gate(predictor, images)
        names = set(evaluation.names)
        analysed = [image for image in images if image.name in names]
        parts = measure_parts(card, evaluation.probabilities_NK, analysed, aspects_of(data, analysed))
    try:
        site, _ = recalibrate(card, checkpoint.digest, evaluation.probabilities_NK, analysed, prevalence)
    except ValueError as error:
        if overlay is not None:
            raise click.ClickException(str(error)) from error
        click.echo(f"No calibration of the site's own: {error}")
        site = None
    for sentence in summarise(measured):
        click.echo(sentence)
    if site is not None:
        click.echo(f"the site's own calibration: slope {site.slope:.4f}, intercept {site.intercept:.4f}")
    if overlay is not None and site is not None:
        site.write(overlay)
        click.echo(f"Written to {overlay}; name it in analysis.calibration when a person has read the report.")
    if out is not None:
        wrong = failures_of(card, evaluation.probabilities_NK, analysed)
        shown = wrong[:_SHOWN]
        page = render(card, checkpoint.digest, evaluation.metrics, measured, parts, site, shown, len(analysed))
        out.write_text(page, encoding="utf-8")
        click.echo(f"Written to {out}; it shows {len(shown)} of {len(wrong)} images that were called wrong.")
