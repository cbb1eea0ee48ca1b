"""What one question to /apis/heapfast/v1/query may cost.

In      options
Out     fields
Callers state.py and secure_state.py have it, query.py obeys; config by way of daemon.py fills it
Source  ours
Never   changes after start
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What one question may cost.

    Attributes:
        max_rows: groups times buckets of an answer: --query-max-rows.
        max_samples: in memory at a time, for percentiles, 8 bytes each: --query-max-samples.
        timeout_seconds: from the request to the answer: --query-timeout.
    """

    max_rows: int = 100_000
    max_samples: int = 20_000_000
    timeout_seconds: float = 10.0
