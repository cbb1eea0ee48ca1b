"""How the embedded store goes about its files; a struct that config fills.

In      flags
Out     EmbeddedOptions
Callers config/history.py builds it; history/writer.py and history/embedded.py obey it
"""

from __future__ import annotations

import msgspec

from heapfast.units import NS_PER_SECOND

_DAY_NS = 86_400 * NS_PER_SECOND


class EmbeddedOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The embedded store.

    Attributes:
        retention_ns: how far back files are kept; 0 keeps them for ever.
        max_bytes: of all files together: beyond it the oldest are deleted; 0 sets no limit.
        raw_retention_ns: how old samples become before they are thinned; 0 never thins them.
        thin_ns: one row for all samples within so much time.
        memory_bytes: that DuckDB may use for queries, and as much again for merging.
        threads: that a query may use.
    """

    retention_ns: int = 30 * _DAY_NS
    max_bytes: int = 20 << 30
    raw_retention_ns: int = _DAY_NS
    thin_ns: int = 300 * NS_PER_SECOND
    memory_bytes: int = 256 << 20
    threads: int = 1
