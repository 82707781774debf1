"""What a request may meet, as a code: the page's words for it are looked up where it is answered."""

from http import HTTPStatus

from starlette.exceptions import HTTPException

from service.vocabulary.errors import Unavailable


class Problem(HTTPException):
    """A request that cannot be answered, by the code of the sentence that says why.

    Parameters
    ----------
    values
        The sentence's placeholders.
    """

    def __init__(self, status: HTTPStatus, code: str, **values: object) -> None:
        super().__init__(status.value)
        self.code = code
        self.values = values


def problem_of(error: Exception) -> Problem:
    """Return what an error means for who asked; those of Starlette are a path or a method that nothing answers.

    What an error says of database or store is for `auscult doctor` and the log, not for whoever reads the page.
    """
    if isinstance(error, Problem):
        return error
    if isinstance(error, Unavailable):
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "problem.unavailable")
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return Problem(HTTPStatus.METHOD_NOT_ALLOWED, "problem.no_change")
    return Problem(HTTPStatus.NOT_FOUND, "problem.no_page")
