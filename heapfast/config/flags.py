"""Every flag of the daemon, with type, default and meaning.

In      the tables of Heapster's and metrics-server's flags, and heapfast's own
Out     FLAGS by name; the name is spelt with "-", and "_" means the same
Callers config.argv reads command lines by it, config.build the values, config.help prints it
Source  spec/heapster-rest.md 12, spec/metrics-k8s-io.md 17
"""

from __future__ import annotations

from typing import Final

from heapfast.config.flag import Flag, FlagTable, Group
from heapfast.config.flags_heapster import HEAPSTER_FLAGS
from heapfast.config.flags_ignored import IGNORED_FLAGS
from heapfast.config.flags_metrics_server import METRICS_SERVER_FLAGS


def _common_flags() -> list[Flag]:
    table = FlagTable(Group.COMMON)
    table.duration("metric-resolution", 60, "Spacing of the samples, at least 10s, or 5s with --source.")
    table.integer("max-procs", 0, "Threads that close and render batches; 0 means $GOMAXPROCS, or one for each core.")
    return table.flags


def _own_flags() -> list[Flag]:
    table = FlagTable(Group.STORE)
    table.words(
        "long-metrics",
        "Metrics to keep long; if not given, cpu/usage_rate, memory/usage where the source has it, and"
        " memory/working_set where metrics.k8s.io is served.",
    )
    table.duration("long-retention", 15 * 60, "How far back these reach.")
    table.duration("short-retention", 140, "How far back all others reach.")

    table.group = Group.DISK
    table.string("data-dir", "Folder for what outlives a restart; none keeps everything in memory alone.")

    table.duration("history-retention", 30 * 86400, "How far back history reaches; 0s means for ever.")
    table.integer("history-max-bytes", 20 << 30, "Size of history on disk: the oldest goes first; 0 means any size.")
    table.duration("history-raw-retention", 86400, "How old samples become before they are thinned; 0s never thins.")
    table.duration("history-thin-resolution", 300, "Span of thinned samples: average, extremes and count are kept.")
    table.integer("history-memory-bytes", 256 << 20, "Memory for questions to history, and as much for merging files.")
    table.integer("historical-max-points", 1_000_000, "Samples or buckets in one answer of the historical API.")
    table.duration("historical-timeout", 30, "How long the store of history may take for one answer.")

    table.group = Group.SCRAPING
    table.duration(
        "summary-resolution",
        0,
        "Without --source: how often /stats/summary is scraped beside /metrics/resource, a multiple of"
        " --metric-resolution; 0s means never.",
    )
    table.duration(
        "scrape-timeout",
        0,
        "The same as --kubelet-request-timeout; 0s means 10s, or less where the resolution asks for it: half of it with"
        " --source, 9/10 without.",
    )
    table.duration(
        "scrape-spread",
        0,
        "Span over which the scrapes of a batch start; 0s means 8ms a node, 4s at most, and for metrics.k8s.io kubelets"
        " with a steady rhythm just after they have sampled.",
    )
    table.integer("max-body-bytes", 64 << 20, "Longest answer of a kubelet.")
    table.switch("kubelet-token-over-http", "Send the bearer token to kubelets without TLS, readable on the wire.")
    table.string(
        "shard", "I/N: scrape only this replica's share of the nodes, I from 0 to N-1; all replicas write to one store."
    )

    table.group = Group.SINKS
    table.integer("sink-queue-batches", 2, "Batches that wait for a sink that is busy or away; then its oldest go.")
    table.duration("sink-flush-timeout", 10, "How long a daemon that stops goes on sending what waits for its sinks.")

    table.group = Group.SECURE_APIS
    table.switch(
        "enable-custom-metrics",
        "Serve custom.metrics.k8s.io, for autoscalers; no other server may be registered for it.",
    )
    table.words(
        "usage-keys",
        "What metrics.k8s.io says beside CPU and memory: swap, ephemeral-storage, network, accelerators. The last three"
        " need the summary: --summary-resolution, or kubernetes.summary_api.",
    )

    table.group = Group.QUERIES
    table.integer("query-max-rows", 100_000, "Longest answer of /apis/heapfast/v1/query: groups times buckets.")
    table.integer("query-max-samples", 20_000_000, "Samples that its percentiles may have in memory, 8 bytes each.")
    table.duration("query-timeout", 10, "Longest time to answer it.")
    table.integer("query-max-body-bytes", 256 << 10, "Longest question that is posted to it.")

    table.group = Group.OTHER
    table.switch("version", "Print the version and exit.")
    table.switch("help", "Print this and exit.")
    return table.flags


_ALL = (*_common_flags(), *HEAPSTER_FLAGS, *METRICS_SERVER_FLAGS, *IGNORED_FLAGS, *_own_flags())

FLAGS: Final = {flag.name: flag for flag in _ALL}
