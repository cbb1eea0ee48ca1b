"""What one question to /apis/heapfast/v1/query may cost.

In      options
Out     fields; BeyondLimit where a question would cost more
Callers state.py and secure_state.py have it, query.py and query_form.py obey; config by way of daemon.py fills it
Source  ours
Never   changes after start
"""

from __future__ import annotations

from dataclasses import dataclass

from heapfast.errors import QueryError


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What one question may cost.

    Attributes:
        max_rows: groups times buckets of an answer: --query-max-rows.
        max_samples: in memory at a time, for percentiles, 8 bytes each: --query-max-samples.
        timeout_seconds: from the request to the answer: --query-timeout.
        max_body_bytes: of a POST: --query-max-body-bytes.
    """

    max_rows: int = 100_000
    max_samples: int = 20_000_000
    timeout_seconds: float = 10.0
    max_body_bytes: int = 256 * 1024


class BeyondLimit(QueryError):
    """A question that costs too much.

    Attributes:
        limit: the flag's name.
    """

    def __init__(self, limit: str, message: str) -> None:
        self.limit = limit
        super().__init__(f"{message}, or raise --{limit}")
