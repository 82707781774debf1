"""The networks of a worker, and which of them an image is for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset

from models.checkpoint import Checkpoint, default_path
from service.process.memory import give_back
from service.scope import fits
from service.settings import AnalysisSettings, ScopeSettings
from service.vocabulary.errors import SettingsInvalid
from worker.network import Network, load_checkpoint, load_network, site_calibration


@dataclass(frozen=True)
class Networks:
    """The networks that a worker runs, in the order in which they are asked.

    Attributes
    ----------
    members
        At least one.
    rules
        What counts as chest.
    """

    members: tuple[Network, ...]
    rules: ScopeSettings

    def for_image(self, header: Dataset) -> Network:
        """Return the first network whose card's population the image is of, by age, view and body part.

        Of an image that is of none, the first network is returned: its scope gate says why it is not analysed.
        """
        return next((item for item in self.members if fits(header, item.population, self.rules)), self.members[0])


def folders(settings: AnalysisSettings) -> tuple[Path, ...]:
    """Return the folders of the checkpoints that the settings name, in the order in which they are asked."""
    return (settings.checkpoint or default_path(), *settings.further_checkpoints)


def load_checkpoints(settings: AnalysisSettings) -> tuple[Checkpoint, ...]:
    """Return the checkpoints that the settings name, verified.

    Raises
    ------
    CheckpointInvalid, SettingsInvalid
        See `worker.network.load_checkpoint`.
    """
    checkpoints = tuple(load_checkpoint(settings, folder) for folder in folders(settings))
    own = site_calibration(settings)
    if own is not None and own.checkpoint_digest not in {checkpoint.digest for checkpoint in checkpoints}:
        raise SettingsInvalid(
            f"analysis.calibration: {settings.calibration} was made for another checkpoint"
            f" ({own.checkpoint_digest[:12]}); run `auscult acceptance` with this one, or take it out"
        )
    return checkpoints


def load_networks(settings: AnalysisSettings, rules: ScopeSettings) -> Networks:
    """Load the networks on the device that the settings name.

    Raises
    ------
    CheckpointInvalid, SettingsInvalid
        See `worker.network.load_checkpoint`.
    """
    load_checkpoints(settings)  # says what is wrong with them together
    networks = Networks(tuple(load_network(settings, folder) for folder in folders(settings)), rules)
    give_back()  # a runtime that has packed its weights leaves more than 100 MB free, which it does not use again
    return networks
