"""What the cards of a worker's checkpoints say, brought into the ledger: drift is watched without them."""

from collections.abc import Iterable

from models.checkpoint import Checkpoint
from service.ledger import Drift


def keep_card_references(drift: Drift, checkpoints: Iterable[Checkpoint]) -> None:
    """Keep what each card measured on val at each operating point, as far as it was measured.

    Raises
    ------
    LedgerUnavailable
        When the database cannot take it.
    """
    for checkpoint in checkpoints:
        measured = checkpoint.card.measurements.splits.get("val")
        points = {
            row.operating_point: {
                "sensitivity": row.sensitivity.value,
                "alarmed": row.alarmed.value,
                "indeterminate": row.indeterminate.value,
            }
            for row in (measured.operating_points if measured is not None else ())
            if row.sensitivity is not None and row.alarmed is not None
        }
        told = {
            row.truth: {"p_pneumonia": row.p_pneumonia, "distance": row.distance}
            for row in checkpoint.card.measurements.references
        }
        # Of one truth alone nothing follows for a mixture of both.
        drift.keep_card(checkpoint.digest, points, told if len(told) == 2 else None)
