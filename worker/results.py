"""What the inference found out about an image, brought into the ledger."""

from service.ledger import Results
from service.process.log import get_logger
from service.vocabulary.facts import Supersession
from service.vocabulary.findings import Outcome, Prediction
from service.vocabulary.states import Priority
from worker.preparation import Clash, Duplicate, OutOfScope, Ready, Reidentified

log = get_logger(__name__)


def save_prediction(results: Results, image: Ready, prediction: Prediction) -> None:
    """Keep what the network says of an image.

    Raises
    ------
    LeaseLost
        When another worker has the image by now.
    """
    results.save_prediction(
        image.claim,
        prediction,
        pixel_digest=image.pixel_digest,
        flags=image.flags,
        priority=suggested_priority(prediction),
        superseding_reason=image.superseding_reason,
        distance=image.distance,
    )
    log.info("analysed %s: %s", image.claim.sop_instance_uid, prediction.outcome.value)


def save(results: Results, prepared: OutOfScope | Duplicate | Clash | Reidentified) -> None:
    """Keep what is known of an image without the network.

    Raises
    ------
    LeaseLost
        When another worker has the image by now.
    """
    uid = prepared.claim.sop_instance_uid
    match prepared:
        case OutOfScope(claim, reason, is_chest, digest, flags, superseding, distance, checkpoint_digest):
            results.save_out_of_scope(
                claim,
                reason,
                is_chest=is_chest,
                pixel_digest=digest,
                flags=flags,
                superseding_reason=superseding,
                distance=distance,
                checkpoint_digest=checkpoint_digest,
            )
            log.info("not analysed %s: %s", uid, reason.value)
        case Duplicate(claim, digest):
            results.save_duplicate(claim, digest)
            log.info("duplicate %s: same pixels and identity as before", uid)
        case Clash(claim, digest):
            results.save_held(claim, digest)
            log.error("HELD %s: another patient's image under one SOP Instance UID", uid)
        case Reidentified(claim, prediction, digest, flags):
            results.save_prediction(
                claim,
                prediction,
                pixel_digest=digest,
                flags=flags,
                priority=suggested_priority(prediction),
                superseding_reason=Supersession.IDENTITY_CORRECTED,
                reused=True,
            )
            log.info("prediction reused for %s: its identity was corrected", uid)


def suggested_priority(prediction: Prediction) -> Priority:
    """Return the priority that a prediction earns its study; it can only raise one."""
    return Priority.URGENT if prediction.outcome is Outcome.POSITIVE else Priority.ROUTINE
