"""The worker's part of `auscult doctor`."""

from collections.abc import Iterator

from service.settings import Settings
from service.vocabulary.errors import AuscultError
from worker.network import load_checkpoint


def checkpoint(settings: Settings) -> Iterator[tuple[str, bool, str]]:
    """Check that the checkpoint is whole and has the operating point of the settings."""
    try:
        card = load_checkpoint(settings.analysis).card
    except AuscultError as error:
        yield "checkpoint", False, str(error)
    else:
        yield (
            "checkpoint",
            True,
            f"{card.name} {card.version}, digests verified, operating point {settings.analysis.operating_point}",
        )
