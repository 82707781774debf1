"""English (United States)."""

from service.texts.english import (
    administration,
    checks,
    facts,
    feedback,
    history,
    machines,
    page,
    reading_list,
    report,
    shadow,
    sign_in,
    terminal,
    trouble,
    turnaround,
    viewer,
    worklist,
)

TEXTS = {
    **administration.TEXTS,
    **checks.TEXTS,
    **facts.TEXTS,
    **feedback.TEXTS,
    **history.TEXTS,
    **machines.TEXTS,
    **page.TEXTS,
    **reading_list.TEXTS,
    **report.TEXTS,
    **sign_in.TEXTS,
    **shadow.TEXTS,
    **terminal.TEXTS,
    **trouble.TEXTS,
    **turnaround.TEXTS,
    **viewer.TEXTS,
    **worklist.TEXTS,
}
