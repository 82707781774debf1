"""What reports say, from what the ledger knows and from the cards of the checkpoints at hand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pydicom import Dataset

from models.card import Card
from models.checkpoint import Checkpoint
from service.ledger import DueReport, ImageFacts, StudyFacts
from service.report import ReportContent, StudyContent
from service.texts import texts_in
from service.vocabulary.facts import Failure, Reason
from service.vocabulary.findings import Outcome, Prediction
from service.vocabulary.language import Language


@dataclass(frozen=True)
class ContentWriter:
    """Puts together what the reports of an image, or of its study, say.

    Attributes
    ----------
    checkpoints
        Those at hand; their cards say what a network was validated on.
    """

    checkpoints: Sequence[Checkpoint]

    def of_image(self, due: DueReport, language: Language) -> ReportContent:
        """Return what the reports of an image say."""
        return replace(
            self._content(due, due, language),
            superseding_reason=due.superseding_reason if due.predecessors else None,
            number=due.number,
            other_images=due.other_images,
        )

    def of_study(
        self, due: DueReport, study: StudyFacts, language: Language, source_of: Callable[[ImageFacts], Dataset]
    ) -> StudyContent:
        """Return what the report of an image's whole study says.

        Parameters
        ----------
        source_of
            Returns the attributes of an image.
        """
        return StudyContent(
            images=tuple((source_of(image), self._of_facts(image, study, language)) for image in study.images),
            priority=study.priority,
            priority_source=study.priority_source,
            language=language,
            unnamed=study.unnamed,
            number=study.number,
            superseding_reason=None if due.is_told else due.superseding_reason,
            after_reading=study.after_reading,
        )

    def _of_facts(self, image: ImageFacts, study: StudyFacts, language: Language) -> ReportContent | None:
        return self._content(image, study, language) if image.outcome is not None else None

    def _content(
        self, image: DueReport | ImageFacts, study: DueReport | StudyFacts, language: Language
    ) -> ReportContent:
        """Return what holds of an image whichever report says it."""
        prediction, card = image.prediction, self._card(image.prediction)
        known = card if prediction is not None else None
        reason = _reason(image)
        return ReportContent(
            outcome=prediction.outcome if prediction is not None else Outcome.NOT_ANALYSED,
            prediction=prediction,
            reason=reason,
            flags=image.flags,
            priority=study.priority,
            priority_source=study.priority_source,
            # DICOM times are local times of the site, PS3.5 section 6.2.
            content_time=image.analysed_at.astimezone(),
            pixel_digest=image.pixel_digest or "",
            identity_digest=image.identity_digest,
            limits=_limits(card, language),
            population=known.population.description if known is not None else "",
            attempted=reason in (Failure.ANALYSIS_FAILED, Reason.PIXELS_UNDECODABLE),
            after_reading=study.after_reading,
            language=language,
            type_margin=known.type_margin if known is not None else None,
        )

    def _card(self, prediction: Prediction | None) -> Card | None:
        """Return the card of the checkpoint that judged; of an image that none judged, the first one's."""
        if prediction is None:
            return self.checkpoints[0].card
        cards = {checkpoint.digest: checkpoint.card for checkpoint in self.checkpoints}
        return cards.get(prediction.checkpoint_digest)  # this worker may have other checkpoints' cards


def _limits(card: Card | None, language: Language) -> str:
    """Return what the checkpoint was not made for, in the language or else in English, as its card says it."""
    limits = card.limits if card is not None else {}
    said = limits.get(_subtag(language)) or limits.get(_subtag(Language.ENGLISH))
    return said or texts_in(language)("report.limits_unknown")


def _subtag(language: Language) -> str:
    """Return the primary subtag of a language (RFC 5646 section 2.2.1), by which a card names its texts."""
    return language.value.partition("-")[0]


def _reason(image: DueReport | ImageFacts) -> Reason | Failure | None:
    """Return why an image has no result; None where it has one."""
    if image.prediction is not None:
        return None
    return Reason(image.reason) if image.reason in set(Reason) else Failure.ANALYSIS_FAILED
