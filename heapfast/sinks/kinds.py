"""Which sinks there are, by the key of their URI.

In      nothing; this is a table
Out     KINDS, reader_of: what reads a key's URI; GONE: key of Heapster's -> the living sink to use instead
Callers config.sinks
Source  spec/heapster-pipeline.md 6.2
Never   lists `metric`, which is the memory
"""

from __future__ import annotations

import importlib
from typing import Final

from heapfast.sinks.sink import ReadUri

#: key -> module of this folder, and what in it reads the URI.
KINDS: Final = {
    "elasticsearch": ("elasticsearch", "read_elasticsearch"),
    "graphite": ("graphite", "read_graphite"),
    "influxdb": ("influxdb", "read_influxdb"),
    "kafka": ("kafka", "read_kafka"),
    "log": ("log", "read_log"),
    "opentsdb": ("opentsdb", "read_opentsdb"),
    "otlp": ("otlp", "read_otlp"),
    "prometheus": ("prometheus", "read_prometheus"),
    "riemann": ("riemann", "read_riemann"),
    "statsd": ("statsd", "read_statsd"),
}

#: Services that are gone or speak something newer today.
GONE: Final = {
    "gcm": "'otlp:' with an OpenTelemetry collector, whose exporter knows Google Cloud Monitoring",
    "stackdriver": "'otlp:' with an OpenTelemetry collector, whose exporter knows Google Cloud Monitoring",
    "hawkular": "'prometheus:' with a store that takes remote writes: Hawkular Metrics is not maintained any more",
    "honeycomb": "'otlp:https://api.honeycomb.io', which Honeycomb takes today",
    "librato": "'otlp:' with an OpenTelemetry collector: Librato's service has ended",
    "wavefront": "'otlp:' with an OpenTelemetry collector or the Wavefront proxy, which takes OTLP",
}


def reader_of(key: str) -> ReadUri:
    """What reads the URIs of a key. Only now is the sink's module imported, with the libraries it needs."""
    module, name = KINDS[key]
    read: ReadUri = getattr(importlib.import_module(f"heapfast.sinks.{module}"), name)
    return read
