"""Vietnamese; complete, and not yet reviewed by a clinician."""

from service.texts.vietnamese import checks, facts, page, report, terminal, trouble, worklist

TEXTS = {
    **checks.TEXTS,
    **facts.TEXTS,
    **page.TEXTS,
    **report.TEXTS,
    **terminal.TEXTS,
    **trouble.TEXTS,
    **worklist.TEXTS,
}
