"""Vietnamese; complete, and not yet reviewed by a clinician."""

from service.texts.vietnamese import facts, page, report, worklist

TEXTS = {**facts.TEXTS, **page.TEXTS, **report.TEXTS, **worklist.TEXTS}
