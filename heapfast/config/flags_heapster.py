"""Heapster's flags.

In      nothing; this is a table
Out     HEAPSTER_FLAGS
Callers flags
Source  spec/heapster-rest.md 12, spec/heapster-pipeline.md 3.1
Never   lists what Heapster's aggregated API server and metrics-server have in common: see flags_metrics_server
"""

from __future__ import annotations

from typing import Final

from heapfast.config.flag import Flag, FlagTable, Group, parse_text


def _parse_names(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _parse_severity(text: str) -> str:
    severities = ("INFO", "WARNING", "ERROR", "FATAL")
    if text.upper() in severities:
        return text.upper()
    if text in ("0", "1", "2", "3"):
        return severities[int(text)]
    raise ValueError("INFO, WARNING, ERROR, FATAL or 0 to 3")


def _flags() -> list[Flag]:
    table = FlagTable(Group.SOURCES)
    table.add(
        "source",
        parse_text,
        (),
        "Where metrics come from: KEY[:URL]. KEY is kubernetes.summary_api (kubelets' /stats/summary), kubernetes"
        " (their cAdvisor's /stats/container) or kubernetes.resource (their /metrics/resource). URL is the API"
        " server's, with ?inClusterConfig, auth, insecure, useServiceAccount, kubeletPort, kubeletHttps and resolution."
        " kubernetes.resource and kubernetes.summary_api go together, one --source each; without any heapfast runs as"
        " metrics-server does.",
        repeats=True,
    )
    table.texts("sink", "Where metrics go, besides the memory: KEY[:URL]; see docs/sinks.md. 'metric' is the memory.")
    table.switch("disable-metric-sink", "Serve nothing from memory: its routes answer 503.")
    table.switch("disable-export", "Answer /api/v1/metric-export with [].")
    table.string(
        "historical-source",
        "What answers /api/v1/historical: 'embedded', the default when there is a --data-dir, 'none', or the URI of an"
        " influxdb or prometheus sink.",
    )
    table.duration("sink-export-data-timeout", 20, "How long one attempt to send to a sink may take.")

    table.group = Group.LABELS
    table.string("label-separator", "Joins the key:value pairs in the label 'labels'.", ",")
    table.words("ignore-label", "Kubernetes labels to leave out of 'labels'.")
    table.words("store-label", "Kubernetes labels to store as labels of their own: NAME or NEW=NAME.")

    table.group = Group.PLAIN_PORT
    table.string("listen-ip", "Address to listen on; empty means all.")
    table.integer(
        "heapster-port", 8082, "TCP port; 0 takes a free one. Without --source it is open only when this flag is given."
    )
    table.string("tls-cert", "PEM file of the serving certificate.")
    table.string("tls-key", "PEM file of its key.")
    table.string("tls-client-ca", "PEM file of the authorities that clients' certificates must come from.")
    table.add("allowed-users", _parse_names, (), "Common names that may ask, comma-separated; empty means all.")
    table.switch("api-server", "Refused: what it served on a port of its own is served here.")

    table.group = Group.LOGGING
    table.integer("v", 0, "Verbosity; 4 and more logs at DEBUG.")
    table.switch("logtostderr", "Log to standard error; heapfast always does.", default=True)
    table.switch("alsologtostderr", "The same.")
    table.add("stderrthreshold", _parse_severity, "ERROR", "Least severity to log, when --logtostderr=false.")
    return table.flags


HEAPSTER_FLAGS: Final = _flags()
