"""What is said of an image and of a withdrawal, in one sentence each: the reports' own."""

from service.ledger import DueMessage
from service.ledger.views import InstanceView
from service.report.content import percent
from service.texts import Texts
from service.vocabulary.facts import Failure, Reason
from service.vocabulary.states import DeliveryState


def result_sentence(say: Texts, view: InstanceView) -> str:
    """Return what is said of an image; it never says that one is normal."""
    result = view.result
    if view.reason == Reason.PERSON_DISAGREED:
        return say("report.withdrawn")
    if result is None:
        return say("report.not_analysed", reason=reason_words(say, view))
    probability = percent(result.p_pneumonia, (result.lower, result.upper))
    return say(f"report.{result.outcome.name.lower()}", probability=probability)


def reason_words(say: Texts, view: InstanceView) -> str:
    """Return why an image is not analysed."""
    is_failure = view.reason in {failure.value for failure in Failure}
    return say.of_stored(Failure if is_failure else Reason, view.reason)


def withdrawal_sentence(say: Texts, message: DueMessage) -> str:
    """Return that a result does not hold any more, and why."""
    reason = say.of(message.supersession) if message.supersession is not None else ""
    return f"{say.of(DeliveryState.WITHDRAWN).upper()}: {reason}"
