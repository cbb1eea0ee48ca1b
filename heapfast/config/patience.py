"""How long kubelets are waited for.

In      the time-outs on the command line, and the resolution
Out     Patience
Callers config.source
Source  spec/heapster-pipeline.md 3.4 and spec/metrics-k8s-io.md 17: both models bound a scrape by the resolution
"""

from __future__ import annotations

from typing import NamedTuple

from heapfast.codec._duration import format_duration
from heapfast.config.argv import Arguments
from heapfast.config.findings import Findings
from heapfast.config.flags import FLAGS
from heapfast.units import NS_PER_SECOND

MAX_DEADLINE_NS = 20 * NS_PER_SECOND


class Patience(NamedTuple):
    """See ScrapeOptions, which has these under the same names."""

    timeout_ns: int
    spread_ns: int
    deadline_ns: int


def build_patience(arguments: Arguments, resolution_ns: int, findings: Findings) -> Patience:
    """Checks that a batch never waits until the next one."""
    limit_ns = resolution_ns * 9 // 10
    name, timeout_ns = _timeout(arguments, resolution_ns, findings)
    if not 0 < timeout_ns <= limit_ns:
        findings.refuse(
            name,
            format_duration(timeout_ns),
            f"more than 0s and at most {format_duration(limit_ns)}, nine tenths of a resolution of"
            f" {format_duration(resolution_ns)}",
        )
    # Heapster's limit, unless somebody asks for more.
    deadline_ns = min(max(MAX_DEADLINE_NS, timeout_ns), limit_ns)
    spread_ns: int = arguments.values["scrape-spread"]
    if not 0 <= spread_ns < deadline_ns:
        findings.refuse(
            "scrape-spread",
            format_duration(spread_ns),
            f"at least 0s and less than {format_duration(deadline_ns)}, which is how long a batch may wait at a"
            f" resolution of {format_duration(resolution_ns)}",
        )
    return Patience(timeout_ns, spread_ns, deadline_ns)


def _timeout(arguments: Arguments, resolution_ns: int, findings: Findings) -> tuple[str, int]:
    """The time-out, and the name of the flag it comes from."""
    own_ns: int = arguments.values["scrape-timeout"]
    if "kubelet-request-timeout" in arguments.given:
        timeout_ns: int = arguments.values["kubelet-request-timeout"]
        if own_ns not in (0, timeout_ns):
            wanted = f"the same as --kubelet-request-timeout, {format_duration(timeout_ns)}"
            findings.refuse("scrape-timeout", format_duration(own_ns), wanted)
        return "kubelet-request-timeout", timeout_ns
    if own_ns:
        return "scrape-timeout", own_ns
    # Without --source metrics-server's 10s, but where that start would fail for it.
    bound_ns = resolution_ns // 2 if "source" in arguments.given else resolution_ns * 9 // 10
    return "scrape-timeout", min(FLAGS["kubelet-request-timeout"].default, bound_ns)
