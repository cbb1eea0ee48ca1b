"""Where a failure becomes a status and a body, each family in its own dialect.

In      an exception, the dialect of the route it came from
Out     status and body in Heapster's dialect, a Status in Kubernetes'
Callers routes.py, responders.py, router.py, app.py; kubernetes_responders.py, filters.py, secure_app.py
Source  Heapster's bare text: spec/heapster-rest.md 1.4, 1.5 and 9.4; Status: spec/metrics-k8s-io.md section 8
Never   shows a stack, or the text of an exception that heapfast did not raise
"""

from __future__ import annotations

from collections.abc import Callable

from heapfast.api.kubernetes_errors import (
    HTML_ESCAPES,
    KubernetesError,
    forbidden,
    internal,
    invalid_options,
    unauthorized,
)
from heapfast.auth.refusals import Forbidden, Unauthenticated, Undecided
from heapfast.errors import (
    HeapfastError,
    HistoryRefused,
    HistoryTimeout,
    HistoryTooLarge,
    HistoryUnavailable,
    QueryError,
)
from heapfast.query.list_options import InvalidOptions
from heapfast.query.quoting import quote
from heapfast.render.status import Status

TEXT = "text/plain; charset=utf-8"


class ApiError(HeapfastError):
    """A failure that knows its status; the text goes to the client as it stands."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class NotFound(ApiError):
    """What is asked for does not exist, or has no data."""

    def __init__(self, message: str) -> None:
        super().__init__(404, message)


class Unavailable(ApiError):
    """The part that could answer is switched off (B21)."""

    def __init__(self, message: str) -> None:
        super().__init__(503, message)


#: What is not an ApiError and yet the client's to know.
_STATUSES: tuple[tuple[type[HeapfastError], int], ...] = (
    (QueryError, 400),
    (HistoryTooLarge, 400),
    (HistoryRefused, 502),
    (HistoryUnavailable, 503),
    (HistoryTimeout, 504),
)

#: An exception as (status, body).
Dialect = Callable[[Exception], tuple[int, bytes]]


def status_of(error: Exception) -> int:
    """Return the HTTP status of an exception; what heapfast did not foresee is a 500."""
    if isinstance(error, ApiError):
        return error.status
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def heapster_text(error: Exception) -> tuple[int, bytes]:
    """Describe an exception in Heapster's way: bare text without a newline."""
    status = status_of(error)
    message = str(error) if status != 500 else "Internal Server Error"
    return status, message.encode("utf-8", "surrogateescape")


def kubernetes_status(error: Exception) -> Status:
    """Describe an exception in Kubernetes' way; what heapfast did not foresee is an InternalError without a text."""
    match error:
        case KubernetesError():
            return error.status
        case InvalidOptions():
            return invalid_options(error)
        case QueryError():
            return Status(400, "BadRequest", str(error))
        case Unauthenticated():
            return unauthorized()
        case Forbidden():
            return forbidden(error)
        case _:
            return internal("an error on the server prevented the request from succeeding")


def undecided_text(error: Undecided, target: str) -> bytes:
    """Say that nobody could say whether a caller may: the one refusal that API servers make without a Status.

    Args:
        target: path and query as they were asked for.
    """
    text = f"Internal Server Error: {quote(target)}: {error.why}\n"
    return text.translate(HTML_ESCAPES).encode("utf-8", "surrogateescape")


# What the routers answer, as Go's libraries word it.
BAD_REQUEST = b"400 Bad Request"
MUX_NOT_FOUND = b"404 page not found\n"
NOT_FOUND = b"404: Page Not Found"
METHOD_NOT_ALLOWED = b"405: Method Not Allowed"
NOT_ACCEPTABLE = b"406: Not Acceptable"
