"""Every deliberate difference between heapfast and a recorded answer of Heapster 1.5.0.

In      a recorded batch or answer, and ours
Out     the two made comparable, by transformations that are as narrow as the decision behind them
Callers test_batches.py, test_vectors.py
Source  the decisions: B numbers are those of spec/heapster-rest.md 15, Q numbers those of
        spec/heapster-pipeline.md 9
Never   hides anything else: what differs and has no row here is a bug of ours

An entry that no recording needs any more fails the tests, so the table cannot grow stale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.conformance.difference import AnswerDifference
from tests.conformance.heapster import settle_answers, settle_batches, settle_history

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.heapster.settle_batches import BatchPair


@dataclass(frozen=True)
class BatchDifference:
    """One decision, as it shows in batches.

    Attributes:
        source: B or Q number of the decision.
        reason: what we do instead, in a sentence.
        scenarios: where it shows.
        settle: makes the pair comparable; False when there was nothing to do.
    """

    source: str
    reason: str
    scenarios: tuple[str, ...]
    settle: Callable[[BatchPair], bool]


BATCH_DIFFERENCES = (
    BatchDifference(
        "Q3, B8",
        "A counter that falls is a reset: no rate in that batch, where Heapster has a negative one.",
        ("odd", "flags"),
        settle_batches.resets,
    ),
    BatchDifference(
        "Q15",
        "A number beyond int64 is no sample, where Heapster's wraps around.",
        ("odd", "flags"),
        settle_batches.big_numbers,
    ),
    BatchDifference(
        "Q18",
        "One number that is none costs itself, where Heapster loses the node.",
        ("odd",),
        settle_batches.bad_values,
    ),
    BatchDifference(
        "Q2, B16",
        "A disk is compared with itself, where Heapster takes the first disk of the batch before.",
        ("cadvisor",),
        settle_batches.disks,
    ),
)

_HISTORICAL = ("historical/", "empty/historical")

#: In this order: later ones see what earlier ones have changed.
ANSWER_DIFFERENCES = (
    AnswerDifference(
        "B4",
        "A name that no object can have is 400, where Heapster fails with 500.",
        _HISTORICAL,
        settle_history.invalid_names,
        ("odd", "fields"),
    ),
    AnswerDifference(
        "B3",
        "Lists of history are what there is, where Heapster reads InfluxDB's answer by the rules of an older one.",
        (*_HISTORICAL, "historical/nodes", "historical/namespaces"),
        settle_history.lists,
        ("odd", "fields"),
    ),
    AnswerDifference(
        "B4, B11",
        "Metrics of history are listed by their names, where Heapster lists families, or fails if there are none.",
        _HISTORICAL,
        settle_history.metric_names,
        ("odd", "fields"),
    ),
    AnswerDifference(
        "B2, B4, B5",
        "No samples are an empty answer or item, and a pod is found by its UID, where Heapster fails with 500.",
        _HISTORICAL,
        settle_history.no_results,
        ("odd", "fields"),
    ),
    AnswerDifference(
        "B15",
        "Aggregates have 64 bits, where Heapster reads 32 of them.",
        ("historical/aggregated/",),
        settle_history.wide_averages,
    ),
    AnswerDifference(
        "B17",
        "Averages and percentiles are floats, where Heapster's are integers if their text happens to be one.",
        ("historical/",),
        settle_history.float_aggregates,
    ),
    AnswerDifference(
        "Q15",
        "The average of large numbers is their average, where InfluxDB's sum wraps around.",
        ("historical/aggregated/",),
        settle_history.wrapped_sums,
        ("odd",),
    ),
    AnswerDifference(
        "K4",
        "A float beyond int64 ends at its bounds, where Heapster's conversion gives the least number for the largest.",
        ("historical/container/metric",),
        settle_history.huge_floats,
        ("odd",),
    ),
    AnswerDifference(
        "3.3",
        "A bucket that 64 bits cannot hold is refused, where Heapster's wraps around.",
        ("historical/aggregated/bad-bucket",),
        settle_history.wrapped_buckets,
    ),
    AnswerDifference(
        "issue 5",
        "The model has aggregates of what is in memory, where Heapster has them of history alone.",
        ("model/other-paths",),
        settle_history.live_aggregates,
    ),
    AnswerDifference(
        "B1",
        "Nodes are listed by name, and found by name and by hostname, where Heapster wants now one, now the other.",
        ("model/nodes", "model/node/freecontainers", "model/node/by-hostname"),
        settle_answers.node_names,
    ),
    AnswerDifference(
        "B7",
        "An unknown pod is 404, where Heapster fails with 500.",
        ("apis/other", "apis/pod"),
        settle_answers.unknown_pod,
    ),
    AnswerDifference(
        "B7",
        "The text for a pod without metrics is spelt right.",
        ("apis/pod",),
        settle_answers.spelling,
    ),
    AnswerDifference(
        "B8",
        "Negative numbers have a sign, where Heapster prints the unsigned number with the same bits.",
        ("model/", "historical/"),
        settle_answers.signed,
    ),
    AnswerDifference(
        "B11",
        "Labeled metrics are in the lists of metrics.",
        ("model/node/names", "model/pod/names", "model/container/names", "model/freecontainer/names"),
        settle_answers.labeled_names,
    ),
    AnswerDifference(
        "Q1, B15",
        "Floats have 64 bits, where Heapster's have 32.",
        ("model/container/metric", "historical/"),
        settle_answers.wide_floats,
    ),
    AnswerDifference(
        "B13",
        "Float metrics have `floatValue` beside the truncated `value`.",
        ("model/", "historical/"),
        settle_answers.float_values,
    ),
    AnswerDifference(
        "B14",
        "A name that is twice in a pod list gives its points once an item.",
        ("model/pod-list",),
        settle_answers.repeated_names,
    ),
    AnswerDifference(
        "B20",
        "Compressed errors say that they are text.",
        ("encoding", "methods"),
        settle_answers.type_of_compressed_errors,
    ),
    AnswerDifference(
        "B22",
        "There is no pprof: it looks into Go programs.",
        ("debug",),
        settle_answers.no_pprof,
    ),
    AnswerDifference(
        "Q2, B16",
        "A disk is compared with itself, where Heapster takes the first disk of the batch before.",
        ("model/node/labels",),
        settle_answers.disks,
        ("cadvisor",),
    ),
    AnswerDifference(
        "Q3, B8",
        "A counter that falls is a reset: no rate at that time, where Heapster has a negative one.",
        ("model/node/metric", "model/node/window"),
        settle_answers.resets,
        ("odd", "flags"),
    ),
    AnswerDifference(
        "Q15",
        "A number beyond int64 is no sample, where Heapster's wraps around.",
        ("model/pod/", "model/container/", "model/pod-list", "apis/"),
        settle_answers.big_numbers,
        ("odd", "flags"),
    ),
    AnswerDifference(
        "Q18",
        "One number that is none costs itself, where Heapster loses the node.",
        ("model/node/", "model/nodes", "model/other-paths", "apis/"),
        settle_answers.bad_values,
        ("odd",),
    ),
    AnswerDifference(
        "own words",
        "Metrics and labels are described in our own words.",
        ("export-schema", "empty/other"),
        settle_answers.descriptions,
    ),
)
