"""Vietnamese; complete, and not yet reviewed by a clinician."""

from service.texts.vietnamese import facts, report

TEXTS = {**facts.TEXTS, **report.TEXTS}
