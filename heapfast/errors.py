"""The one tree of heapfast's exceptions.

In      what went wrong, as fields
Out     a text that reads "cannot X: got A, want B", with units
Callers everyone; api/errors.py turns these into HTTP, but for ClientRefused, which auth/middleware.py answers
Never   knows of HTTP, logs, or carries a secret
"""

from __future__ import annotations

from typing import Literal


class HeapfastError(Exception):
    """Anything heapfast raises on purpose."""


class ConfigError(HeapfastError):
    """A configuration that cannot be run.

    Attributes:
        faults: every fault found, in order, each naming its flag.
    """

    def __init__(self, faults: list[str] | str) -> None:
        self.faults = [faults] if isinstance(faults, str) else list(faults)
        super().__init__("; ".join(self.faults))


class ScrapeError(HeapfastError):
    """A target that could not be scraped.

    Attributes:
        target: the target's address, as in self-metrics.
        reason: one word for counters: "refused", "timeout", "status", "too_large", "protocol", "tls", "parse" ...
    """

    def __init__(self, target: str, reason: str, message: str) -> None:
        self.target = target
        self.reason = reason
        super().__init__(f"cannot scrape {target}: {message}")


class ParseError(HeapfastError):
    """Bytes that are not what they should be.

    Attributes:
        offset: byte offset of the first byte that does not fit, from 0.
    """

    def __init__(self, what: str, message: str, offset: int) -> None:
        self.what = what
        self.offset = offset
        super().__init__(f"cannot parse {what}: {message} at byte {offset}")


class StoreError(HeapfastError):
    """A request the store cannot follow."""


class QueryError(HeapfastError):
    """A question that cannot be asked. The text goes to the client as it stands."""


class HistoryError(HeapfastError):
    """History that cannot be read. The text goes to the client as it stands."""


class HistoryUnavailable(HistoryError):
    """A store of history that cannot be reached, or is failing: the same question may be answered later."""


class HistoryRefused(HistoryError):
    """A store of history that does not take the question, or whose answer is not what was agreed on.

    Attributes:
        status: HTTP status of its answer, None when it has none.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class HistoryTooLarge(HistoryError):
    """An answer with more in it than one question may have.

    Attributes:
        limit: samples, or buckets.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(
            f"cannot answer: there are more than {limit} samples; ask for a shorter time, fewer pods, larger "
            "buckets, or raise --historical-max-points"
        )


class HistoryTimeout(HistoryError):
    """A question that took too long.

    Attributes:
        limit_seconds: how long it may take.
    """

    def __init__(self, limit_seconds: float) -> None:
        self.limit_seconds = limit_seconds
        super().__init__(
            f"cannot answer within {limit_seconds:g} s: ask for a shorter time, or raise --historical-timeout"
        )


class AuthError(HeapfastError):
    """A client that may not ask. The text goes to the client as it stands."""


class KubeError(HeapfastError):
    """An API server that could not be asked.

    Attributes:
        status: HTTP status, or None when there was no answer.
        reason: one word for counters: "connect", "timeout", "tls", "proxy", "protocol", "decode", "status_403" ...
        retry_after_seconds: how long the server wants to be left alone, None when it did not say.
    """

    def __init__(
        self,
        message: str,
        status: int | None = None,
        *,
        reason: str = "other",
        retry_after_seconds: float | None = None,
    ) -> None:
        self.status = status
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class SinkError(HeapfastError):
    """A payload that did not arrive at a sink.

    Attributes:
        reason: one word for counters: "connect", "timeout", "status", "refused", "protocol", "tls" ...
        costs: what is lost: "nothing" when trying again can help, the "chunk" that was refused, or the whole "batch"
            where its other chunks would fare no better.
        lost_samples: of a chunk that was refused in part, so many; None for all of it.
        retry_after_seconds: how long the sink wants to be left alone, None when it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        costs: Literal["nothing", "chunk", "batch"] = "nothing",
        lost_samples: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        self.reason = reason
        self.costs = costs
        self.lost_samples = lost_samples
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)
