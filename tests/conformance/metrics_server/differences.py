"""Each deliberate difference from metrics-server, with its reason: whatever else differs is a bug.

In      nothing
Out     DIFFERENCES
Callers test_vectors.py
Source  docs: the issue that asks for a drop-in, part by part; design.md sections 4 and 6
Never   holds a row that no recording needs: that fails the tests
"""

from __future__ import annotations

from tests.conformance.difference import AnswerDifference
from tests.conformance.metrics_server import settle

_RATES = ("rates-10s", "rates-15s")

#: In this order: later ones see what earlier ones have changed.
DIFFERENCES = (
    AnswerDifference(
        "issue 3, part 3",
        "metrics.k8s.io/v1 is served too, and is the preferred version.",
        ("discovery", "discovery/", "empty/discovery", "paths", "openapi", "auth/"),
        settle.versions,
    ),
    AnswerDifference(
        "issue 3, part 3",
        "`limit` and `continue` are honoured; all pages together are the recorded list.",
        ("params/list", "params/list-ns"),
        settle.pages,
    ),
    AnswerDifference(
        "own words", "/version says which version of heapfast it is.", ("pretty", "auth/"), settle.own_version
    ),
    AnswerDifference(
        "issue 3, part 5",
        "Nobody acts as somebody else: kube-apiserver has resolved impersonation before it asks.",
        ("auth/impersonate",),
        settle.no_impersonation,
    ),
    AnswerDifference(
        "design.md, B22", "There is no pprof: it looks into Go programs.", ("paths", "auth/"), settle.no_debug
    ),
    AnswerDifference(
        "section 10 of the specification",
        "OpenAPI documents come as JSON alone, which is what the aggregation layer asks for.",
        ("openapi",),
        settle.no_protobuf,
    ),
    AnswerDifference(
        "own words", "OpenAPI documents have our version in them, so their own hashes.", ("openapi",), settle.own_hash
    ),
    AnswerDifference(
        "issue 3, part 2",
        "A container that has used no CPU does not drop its pod.",
        ("rates/",),
        settle.served("cpu-zero", "cpu-zero-then-not", "cpu-zero-once-of-two"),
        _RATES,
    ),
    AnswerDifference(
        "design.md, Q15",
        "A number beyond int64 is no sample; what was there before is kept for a while.",
        ("rates/",),
        settle.left_out("mem-9.3e18", "n-mem-9.3e18", "cpu-int64-edge", "n-int64-edge"),
        _RATES,
    ),
    AnswerDifference(
        "design.md, Q15",
        "A negative counter is no sample, where metrics-server serves what its bits come to.",
        ("rates/formats",),
        settle.kept("counter-dip"),
        _RATES,
    ),
    AnswerDifference(
        "issue 3, part 2",
        "One bad sample keeps the last good one for a bounded time, and the history.",
        ("rates/",),
        settle.served(
            "cpu-absent-once",
            "mem-absent-once",
            "mem-zero-once",
            "mem-zero-of-two",
            "one-missing-once",
            "pod-missing-once",
            "start-only",
            "n-cpu-absent",
            "n-mem-absent",
            "n-mem-zero",
            "n-missing",
            "n-scrape-error",
            "on-n-scrape-error",
        ),
        _RATES,
    ),
    AnswerDifference(
        "issue 3, part 2",
        "One failed scrape keeps the last good values for a bounded time, and the history.",
        ("nodes/",),
        settle.served(
            *[
                f"{prefix}{fault}"
                for prefix in ("", "on-")
                for fault in (
                    "empty-once",
                    "garbage-once",
                    "hang-once",
                    "reset-once",
                    "status-500-once",
                    "status-500-twice",
                    "truncate-once",
                    "leaves",
                )
            ]
        ),
        ("nodes",),
    ),
    AnswerDifference(
        "issue 3, bad input",
        "A pod that is deleted is gone with its history: one of the same name is another pod.",
        ("nodes/",),
        settle.left_out("deleted-and-back", "recreated-elsewhere", "recreated-same-start"),
        ("nodes",),
    ),
    AnswerDifference(
        "section 15 of the specification, design.md, Q18",
        "A sample with a negative time costs itself alone, where metrics-server loses the node.",
        ("parse/",),
        settle.served("ctr-time-minus-one", "ctr-time-year-one", "start-time-minus"),
        ("parse",),
    ),
)
