"""The network that a worker runs, as the settings name it, and its answers in the service's words."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from models.checkpoint import Checkpoint, UnusableCheckpoint, default_path
from models.decision import decide
from models.precision import why_not_int8
from models.predictor import Output, Predictor
from models.runtimes import OnnxRuntime, Runtime, processor_features
from models.site_calibration import SiteCalibration, UnusableCalibration
from service.scope import PopulationLimits
from service.settings import AnalysisSettings
from service.vocabulary.errors import CheckpointInvalid, SettingsInvalid
from service.vocabulary.findings import Finding, Outcome, Prediction


@dataclass(frozen=True)
class Network:
    """A checkpoint on a runtime, with the operating point that decides.

    Attributes
    ----------
    calibration_digest
        Of the site's own calibration, which the checkpoint's card has been given; None where there is none.
    """

    predictor: Predictor
    operating_point: str
    expected_prevalence: float | None
    calibration_digest: str | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint that the network is."""
        return self.predictor.checkpoint

    @property
    def population(self) -> PopulationLimits:
        """Whom the checkpoint was validated on."""
        population = self.checkpoint.card.population
        return PopulationLimits(population.minimum_age_years, population.maximum_age_years, population.views)

    @property
    def distance_limit(self) -> float | None:
        """Beyond which distance an image is unlike the training images; None where the checkpoint cannot tell."""
        unlike = self.checkpoint.card.unlike_training
        return None if unlike is None else unlike.limit

    def prediction(self, output: Output) -> Prediction:
        """Return what the network's output means at the operating point."""
        card = self.checkpoint.card
        decision = decide(output.probabilities, card, self.operating_point, self.expected_prevalence)
        return Prediction(
            outcome=Outcome(decision.outcome),
            probabilities=output.probabilities,
            findings={name: Finding(meaning) for name, meaning in card.findings.items()},
            p_pneumonia=decision.p_pneumonia,
            pneumonia_type=Finding(decision.pneumonia_type) if decision.pneumonia_type else None,
            operating_point=self.operating_point,
            lower=decision.lower,
            upper=decision.upper,
            prevalence=decision.prevalence,
            checkpoint_name=card.name,
            checkpoint_version=card.version,
            checkpoint_digest=self.checkpoint.digest,
            transform=card.transform,
            calibration_digest=self.calibration_digest,
            input_digest=output.input_digest,
            cam=output.cam,
            runtime={**self.predictor.runtime_fingerprint(), "batch_size": output.batch_size},
        )


def load_checkpoint(settings: AnalysisSettings, folder: Path | None = None) -> Checkpoint:
    """Return a checkpoint, verified: that of a folder, or the first one that the settings name.

    Raises
    ------
    CheckpointInvalid
        When its folder cannot be used.
    SettingsInvalid
        When it has no operating point of the name in the settings.
    """
    try:
        checkpoint = Checkpoint.load(folder or settings.checkpoint or default_path())
    except UnusableCheckpoint as error:
        raise CheckpointInvalid(str(error)) from None
    own = site_calibration(settings)
    if own is not None and own.checkpoint_digest == checkpoint.digest:
        try:
            checkpoint = replace(checkpoint, card=own.laid_over(checkpoint.card))
        except UnusableCalibration as error:
            raise SettingsInvalid(f"analysis.calibration: {error}") from None
    try:
        checkpoint.card.operating_point(settings.operating_point)
    except ValueError as error:
        raise SettingsInvalid(f"analysis.operating_point: {error}") from None
    return checkpoint


def load_network(settings: AnalysisSettings, folder: Path | None = None) -> Network:
    """Load the network of a folder, or the first one that the settings name, on the device that they name.

    Raises
    ------
    CheckpointInvalid, SettingsInvalid
        See `load_checkpoint`.
    """
    checkpoint = load_checkpoint(settings, folder)
    predictor = Predictor(checkpoint, _runtime(checkpoint, settings), settings.batch_size)
    own = site_calibration(settings)
    digest = own.digest if own is not None and own.checkpoint_digest == checkpoint.digest else None
    return Network(predictor, settings.operating_point, settings.expected_prevalence, digest)


def site_calibration(settings: AnalysisSettings) -> SiteCalibration | None:
    """Return the site's own calibration, where the settings name one.

    Raises
    ------
    SettingsInvalid
        When its file cannot be used.
    """
    if settings.calibration is None:
        return None
    try:
        return SiteCalibration.load(settings.calibration)
    except UnusableCalibration as error:
        raise SettingsInvalid(f"analysis.calibration: {error}") from None


def _runtime(checkpoint: Checkpoint, settings: AnalysisSettings) -> Runtime:
    threads = settings.threads or len(os.sched_getaffinity(0))
    if settings.precision == "int8":
        _require_int8(checkpoint, settings)
    if settings.device == "cpu":
        return OnnxRuntime(checkpoint, threads, settings.precision)
    from models.runtimes import TorchRuntime  # its torch is in the extra `gpu`

    try:
        return TorchRuntime(checkpoint, settings.device, threads)
    except ImportError:
        raise SettingsInvalid(
            f"analysis.device = {settings.device!r} needs torch: install auscult[gpu], or set it to `cpu`"
        ) from None


def _require_int8(checkpoint: Checkpoint, settings: AnalysisSettings) -> None:
    """Refuse 8-bit arithmetic where its results would not be the measured ones."""
    refusal = why_not_int8(checkpoint.card.name, checkpoint.card.int8, processor_features())
    if settings.device != "cpu":
        refusal = f"int8 runs on the processor alone, and analysis.device is {settings.device!r}"
    if refusal is not None:
        raise SettingsInvalid(f"analysis.precision = 'int8': {refusal}; set it to `float32`")
