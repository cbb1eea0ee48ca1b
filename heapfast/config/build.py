"""Options from a command line: what its values mean together.

In      argv, the environment
Out     Options, or ConfigError with every fault at once, each naming its flag, what it got and what was wanted
Callers cli
Source  spec/heapster-rest.md 11.5 and 12, spec/heapster-pipeline.md 3.1 and 5.8; B21, Q17, Q19
Never   opens a file or a socket
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from heapfast.catalog.metrics import BY_NAME, CUSTOM_PREFIX
from heapfast.config.argv import parse_argv
from heapfast.config.findings import Findings
from heapfast.config.flags import FLAGS, Group
from heapfast.config.options import ApiOptions, LabelOptions, LogOptions, Options, StoreOptions, TlsOptions
from heapfast.config.source import build_source
from heapfast.config.uris import parse_uri
from heapfast.config.values import format_duration
from heapfast.errors import ConfigError
from heapfast.units import NS_PER_SECOND

MIN_RESOLUTION_NS = 5 * NS_PER_SECOND
DEBUG_VERBOSITY = 4

#: Heapster's sinks besides 'metric'.
OTHER_SINKS = frozenset(
    "influxdb log elasticsearch gcm stackdriver statsd graphite hawkular kafka librato opentsdb wavefront riemann"
    " honeycomb".split()
)

#: Labels that say who an entity is; a Kubernetes label stored as one of them would rename it (Q17).
RESERVED_LABELS = frozenset(
    "type labels nodename hostname host_id schedulable namespace_name namespace_id pod_name pod_id"
    " container_name container_base_image resource_id make model accelerator_id".split()
)


def build_options(argv: Sequence[str], environment: Mapping[str, str]) -> Options:
    """Reads and checks the command line of the daemon.

    Raises:
        ConfigError: anything is wrong with it; `faults` has all of it.
    """
    findings = Findings()
    values, findings.faults = parse_argv(argv)
    resolution_ns = _resolution(values, findings)
    kube, scrape = build_source(values, environment, resolution_ns, findings)
    options = Options(
        resolution_ns=resolution_ns,
        threads=_at_least_zero(values, "max-procs", findings),
        kube=kube,
        scrape=scrape,
        store=_store(values, findings),
        labels=_labels(values, findings),
        api=_api(values, environment, findings),
        tls=_tls(values, findings),
        log=_log(values, findings),
        notes=tuple(findings.notes),
    )
    _refuse_what_is_not_there(values, findings)
    if findings.faults:
        raise ConfigError(findings.faults)
    return options


def _resolution(values: Mapping[str, Any], findings: Findings) -> int:
    resolution_ns: int = values["metric-resolution"]
    if resolution_ns < MIN_RESOLUTION_NS:
        findings.refuse(
            "metric-resolution", format_duration(resolution_ns), f"at least {format_duration(MIN_RESOLUTION_NS)}"
        )
        # The checks that follow would only repeat this fault in other words.
        return int(FLAGS["metric-resolution"].default)
    return resolution_ns


def _store(values: Mapping[str, Any], findings: Findings) -> StoreOptions:
    for name in values["long-metrics"]:
        if name not in BY_NAME and not name.startswith(CUSTOM_PREFIX):
            findings.refuse(
                "long-metrics", repr(name), f"the name of a metric, such as memory/usage or {CUSTOM_PREFIX}NAME"
            )
    long_ns, short_ns = values["long-retention"], values["short-retention"]
    if short_ns <= 0:
        findings.refuse("short-retention", format_duration(short_ns), "more than 0s")
    if long_ns < short_ns:
        findings.refuse(
            "long-retention", format_duration(long_ns), f"at least --short-retention, {format_duration(short_ns)}"
        )
    return StoreOptions(long_metrics=values["long-metrics"], long_retention_ns=long_ns, short_retention_ns=short_ns)


def _labels(values: Mapping[str, Any], findings: Findings) -> LabelOptions:
    stored: dict[str, str] = {}
    for text in values["store-label"]:
        new, equals, old = text.partition("=")
        key = old if equals else new
        if not new or not key:
            findings.refuse("store-label", repr(text), "NAME or NEW=NAME")
        elif new in RESERVED_LABELS:
            findings.refuse("store-label", repr(text), f"a name other than {new!r}, which says who a metric belongs to")
        elif any(new == taken and key != other for other, taken in stored.items()):
            findings.refuse("store-label", repr(text), f"one Kubernetes label to be stored as {new!r}, not two")
        else:
            stored[key] = new
    return LabelOptions(
        separator=values["label-separator"],
        ignored=values["ignore-label"],
        stored=tuple(stored.items()),
    )


def _api(values: Mapping[str, Any], environment: Mapping[str, str], findings: Findings) -> ApiOptions:
    if not 0 <= values["heapster-port"] <= 65535:
        findings.refuse("heapster-port", values["heapster-port"], "a port from 0 to 65535")
    sinks = _sinks(values["sink"], environment, findings)
    return ApiOptions(
        listen_ip=values["listen-ip"],
        port=values["heapster-port"],
        export_enabled=not values["disable-export"],
        # As in Heapster, naming the sink beats the switch that only stops it from being added.
        model_enabled="metric" in sinks or not values["disable-metric-sink"],
    )


def _sinks(given: Sequence[str], environment: Mapping[str, str], findings: Findings) -> set[str]:
    keys = set()
    for value in given:
        try:
            key = parse_uri(value, environment).key
        except ValueError as error:
            # The value stays out of the text: sink URIs carry passwords.
            findings.refuse("sink", f"the key {value.partition(':')[0]!r} and no URL that can be read", str(error))
            continue
        if key in OTHER_SINKS:
            findings.refuse("sink", repr(key), "'metric': this version keeps metrics in memory and sends them nowhere")
        elif key != "metric":
            findings.refuse("sink", repr(key), "'metric', the only sink of this version")
        keys.add(key)
    return keys


def _tls(values: Mapping[str, Any], findings: Findings) -> TlsOptions:
    cert, key, client_ca = values["tls-cert"], values["tls-key"], values["tls-client-ca"]
    if cert and not key:
        findings.refuse("tls-key", "nothing", "the key of --tls-cert")
    if key and not cert:
        findings.refuse("tls-cert", "nothing", "the certificate of --tls-key")
    if client_ca and not cert:
        findings.refuse("tls-client-ca", repr(client_ca), "--tls-cert and --tls-key beside it")
    if values["allowed-users"] and not client_ca:
        findings.note("allowed-users", "nobody is checked without --tls-client-ca")
    return TlsOptions(cert_file=cert, key_file=key, client_ca_file=client_ca, allowed_users=values["allowed-users"])


def _log(values: Mapping[str, Any], findings: Findings) -> LogOptions:
    for name in ("vmodule", "log-dir", "log-backtrace-at"):
        if values[name]:
            findings.note(name, "has no effect; heapfast logs to standard error")
    if not values["logtostderr"] and not values["alsologtostderr"]:
        # What glog would have sent to files goes nowhere; its threshold holds for the rest.
        severity = values["stderrthreshold"]
        return LogOptions(level="CRITICAL" if severity == "FATAL" else severity)
    return LogOptions(level="DEBUG" if values["v"] >= DEBUG_VERBOSITY else "INFO")


def _at_least_zero(values: Mapping[str, Any], name: str, findings: Findings) -> int:
    value: int = values[name]
    if value < 0:
        findings.refuse(name, value, "0 or more")
    return value


def _refuse_what_is_not_there(values: Mapping[str, Any], findings: Findings) -> None:
    if values["historical-source"]:
        findings.refuse(
            "historical-source",
            "a sink's URI",
            "nothing: this version keeps no history; /api/v1/model has the last 15 minutes",
        )
    for flag in FLAGS.values():
        if flag.group is Group.AGGREGATED and values[flag.name] != flag.default:
            findings.refuse(
                flag.name,
                flag.show(values[flag.name]),
                f"its default ({flag.show(flag.default) or 'empty'}): heapfast does not run Heapster's aggregated"
                " API server; /apis/metrics/v1alpha1 is served on --heapster-port",
            )
