"""Where history is kept, and how much of it.

In      the values of --historical-source, --historical-... and --history-..., and of --data-dir
Out     HistoryOptions; faults and notes
Callers config.build
Source  spec/heapster-rest.md 8.1; docs/history.md
Never   shows more of a URI than its key: it carries a password
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from heapfast.codec._duration import format_duration
from heapfast.config.argv import Arguments
from heapfast.config.findings import Findings
from heapfast.config.options import HistoryOptions
from heapfast.history.options import EmbeddedOptions
from heapfast.sinks.sink import HistorySpec
from heapfast.units import NS_PER_SECOND

EMBEDDED: Final = "embedded"
NONE: Final = "none"
#: With less DuckDB refuses small questions too.
MIN_MEMORY_BYTES: Final = 64 << 20

#: Files are of one hour each.
_HOUR_NS: Final = 3600 * NS_PER_SECOND


def build_history(
    arguments: Arguments, findings: Findings, read_store: Callable[[str], HistorySpec | None]
) -> HistoryOptions:
    """Reads everything about history.

    Args:
        read_store: reads --historical-source where that is the URI of a sink.
    """
    values = arguments.values
    source = values["historical-source"]
    # Without Heapster's port nobody could ask.
    is_asked = bool({"source", "heapster-port"} & arguments.given)
    is_embedded = source == EMBEDDED or (not source and is_asked and bool(values["data-dir"]))
    store = read_store(source) if source not in ("", EMBEDDED, NONE) else None
    if source == EMBEDDED and not values["data-dir"]:
        findings.refuse("historical-source", repr(EMBEDDED), "--data-dir beside it")
    if values["historical-timeout"] <= 0:
        findings.refuse("historical-timeout", format_duration(values["historical-timeout"]), "more than 0s")
    if values["historical-max-points"] < 1:
        findings.refuse("historical-max-points", values["historical-max-points"], "at least 1")
    if not is_embedded:
        for flag in sorted(arguments.given):
            if flag.startswith("history-"):
                findings.note(flag, "has no effect: there is no history on disk without --data-dir")
    return HistoryOptions(
        embedded=_embedded(values, findings) if is_embedded else None,
        store=store,
        max_points=values["historical-max-points"],
        timeout_ns=values["historical-timeout"],
    )


def _embedded(values: Mapping[str, Any], findings: Findings) -> EmbeddedOptions:
    findings.check_durations(values, "history-retention", "history-raw-retention")
    findings.check_not_negative("history-max-bytes", values["history-max-bytes"])
    thin_ns = values["history-thin-resolution"]
    if thin_ns < NS_PER_SECOND or thin_ns % NS_PER_SECOND or _HOUR_NS % thin_ns:
        findings.refuse("history-thin-resolution", format_duration(thin_ns), "whole seconds that divide an hour")
        thin_ns = _HOUR_NS
    if values["history-memory-bytes"] < MIN_MEMORY_BYTES:
        findings.refuse("history-memory-bytes", values["history-memory-bytes"], f"at least {MIN_MEMORY_BYTES}")
    return EmbeddedOptions(
        retention_ns=values["history-retention"],
        max_bytes=values["history-max-bytes"],
        raw_retention_ns=values["history-raw-retention"],
        thin_ns=thin_ns,
        memory_bytes=values["history-memory-bytes"],
    )
