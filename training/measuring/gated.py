"""Figures after the scope gate: what the product says of the images that it analyses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from models.measurements import SplitMeasurements
from models.predictor import Predictor
from training.fitting.dataset import LabelledImage
from training.measuring.assessment import assess, kept_out
from training.measuring.evaluation import Evaluation, evaluation_of, predict_through_gate


def evaluate_after_gate(predictor: Predictor, images: Sequence[LabelledImage]) -> tuple[Evaluation, SplitMeasurements]:
    """Return the figures of the images that the scope gate lets through by their pixels, and what it keeps out.

    Raises
    ------
    ValueError
        When it lets none through.
    """
    card = predictor.checkpoint.card
    probabilities_NK, reasons = predict_through_gate(predictor, images)
    rows = [index for index, reason in enumerate(reasons) if not reason]
    if not rows:
        raise ValueError("The scope gate keeps every image out; there is nothing to measure.")
    analysed = [images[index] for index in rows]
    evaluation = evaluation_of(predictor, analysed, probabilities_NK[rows])
    measured = assess(card, evaluation.probabilities_NK, analysed)
    return evaluation, replace(measured, gate=kept_out(card, images, reasons))
