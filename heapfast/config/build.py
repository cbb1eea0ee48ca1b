"""Options from a command line: what its values mean together.

In      argv, the environment
Out     Options, or ConfigError with every fault at once, each naming its flag, what it got and what was wanted
Callers cli
Source  spec/heapster-rest.md 11.5 and 12, spec/heapster-pipeline.md 3.1 and 5.8, spec/metrics-k8s-io.md 17;
        B21, Q17, Q19
Never   opens a file or a socket, or makes a folder

One binary stands in for two daemons. With --source it is Heapster: its port is open, the secure port closed. Without
it is metrics-server: the secure port is open, Heapster's closed, the source is kubernetes.resource. In both, a port
whose flag is given is open; that is how one process serves both APIs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from heapfast.catalog.metrics import BY_NAME, CUSTOM_PREFIX
from heapfast.catalog.usage_keys import OF_SUMMARY, USAGE_KEYS
from heapfast.codec._duration import format_duration
from heapfast.config.argv import Arguments, parse_argv
from heapfast.config.delegated_auth import build_auth
from heapfast.config.findings import Findings
from heapfast.config.flag import Group
from heapfast.config.flags import FLAGS
from heapfast.config.history import build_history
from heapfast.config.kubelets import build_kubelets
from heapfast.config.options import (
    ApiOptions,
    LabelOptions,
    LogOptions,
    Options,
    QueryOptions,
    ScrapeOptions,
    SecureOptions,
    SinkOptions,
    StoreOptions,
    TlsOptions,
)
from heapfast.config.resolution import build_resolutions
from heapfast.config.secure_port import build_secure
from heapfast.config.sinks import build_historical, build_sinks
from heapfast.config.source import build_source, read_sources
from heapfast.data_dir import find_fault
from heapfast.errors import ConfigError
from heapfast.sinks.sink import SinkSpec

DEBUG_VERBOSITY = 4

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
    arguments = parse_argv(argv)
    values, findings.faults = arguments.values, arguments.faults
    uris = read_sources(arguments, environment, findings)
    resolutions = build_resolutions(arguments, uris, findings)
    kube, source = build_source(uris, arguments, resolutions, findings)
    if values["max-body-bytes"] < 1:
        findings.refuse("max-body-bytes", values["max-body-bytes"], "at least 1")
    findings.check_not_negative("max-procs", values["max-procs"])
    kubelets = build_kubelets(arguments, findings)
    labels = _labels(values, findings)
    shard = str(kubelets.shard) if kubelets.shard.count > 1 else ""
    sinks, is_memory_named = build_sinks(values["sink"], environment, findings, shard)
    api = _api(arguments, is_memory_named, findings)
    tls = _tls(values, findings)
    secure = build_secure(arguments, findings)
    options = Options(
        resolution_ns=resolutions.tick_ns,
        threads=values["max-procs"] or _go_threads(environment),
        data_dir=_data_dir(values, findings),
        kube=kube,
        source=source,
        kubelets=kubelets,
        store=_store(arguments, source, secure, findings),
        labels=labels,
        api=api,
        query=_query(values, findings),
        tls=tls,
        secure=secure,
        auth=build_auth(arguments, findings),
        log=_log(values),
        sinks=_sinks(sinks, values, findings),
        history=build_history(
            arguments, findings, lambda uri: build_historical(uri, values["sink"], environment, findings, shard)
        ),
    )
    _check_ports(arguments, options.api, options.secure, findings)
    for flag in FLAGS.values():
        if flag.group is Group.IGNORED and flag.name in arguments.given:
            findings.note(flag.name, flag.help)
    if findings.faults:
        raise ConfigError(findings.faults)
    return msgspec.structs.replace(options, notes=tuple(findings.notes))


def _go_threads(environment: Mapping[str, str]) -> int:
    """What $GOMAXPROCS says, which manifests set beside a CPU limit; as in Go, what is no number counts as unset."""
    text = environment.get("GOMAXPROCS", "")
    return int(text) if text.isdecimal() else 0


def _data_dir(values: Mapping[str, Any], findings: Findings) -> str:
    path: str = values["data-dir"]
    if path and (wanted := find_fault(path)):
        findings.refuse("data-dir", repr(path), wanted)
    return path


def _store(
    arguments: Arguments, source: ScrapeOptions, secure: SecureOptions | None, findings: Findings
) -> StoreOptions:
    values = arguments.values
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
    return StoreOptions(
        long_metrics=(
            values["long-metrics"]
            if "long-metrics" in arguments.given
            else _long_metrics(source, is_secure=secure is not None)
        ),
        long_retention_ns=long_ns,
        short_retention_ns=short_ns,
        usage_keys=_usage_keys(values["usage-keys"], source, findings) if secure is not None else (),
    )


def _usage_keys(names: Sequence[str], source: ScrapeOptions, findings: Findings) -> tuple[str, ...]:
    """Each once, and only what a source has."""
    for name in names:
        if name not in USAGE_KEYS:
            findings.refuse("usage-keys", repr(name), f"one or more of {', '.join(USAGE_KEYS)}")
        elif name in OF_SUMMARY and source.kind == "resource" and not source.side_resolution_ns:
            findings.refuse("usage-keys", repr(name), "--summary-resolution too: /metrics/resource does not have it")
        elif name == "swap" and source.kind != "resource":
            findings.refuse("usage-keys", repr(name), "the source kubernetes.resource, which has it")
    return tuple(name for name in USAGE_KEYS if name in names)


def _long_metrics(source: ScrapeOptions, *, is_secure: bool) -> tuple[str, ...]:
    """Heapster's two; and what `?window=` of metrics.k8s.io is the mean of, which is all that some sources have."""
    names = ["cpu/usage_rate"]
    if source.kind != "resource" or source.side_resolution_ns:
        names.append("memory/usage")
    if source.kind == "resource" or is_secure:
        names.append("memory/working_set")
    return tuple(names)


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


def _api(arguments: Arguments, is_memory_named: bool, findings: Findings) -> ApiOptions:
    values = arguments.values
    findings.check_port("heapster-port", values["heapster-port"], least=0)
    return ApiOptions(
        enabled=bool({"source", "heapster-port"} & arguments.given),
        listen_ip=values["listen-ip"],
        port=values["heapster-port"],
        export_enabled=not values["disable-export"],
        # As in Heapster, naming the sink beats the switch that only stops it from being added.
        model_enabled=is_memory_named or not values["disable-metric-sink"],
    )


def _sinks(specs: tuple[tuple[str, SinkSpec], ...], values: Mapping[str, Any], findings: Findings) -> SinkOptions:
    send_ns, flush_ns, queue_batches = (
        values[flag] for flag in ("sink-export-data-timeout", "sink-flush-timeout", "sink-queue-batches")
    )
    if send_ns <= 0:
        findings.refuse("sink-export-data-timeout", format_duration(send_ns), "more than 0s")
    findings.check_durations(values, "sink-flush-timeout")
    if queue_batches < 1:
        findings.refuse("sink-queue-batches", queue_batches, "at least 1")
    return SinkOptions(specs=specs, queue_batches=queue_batches, send_ns=send_ns, flush_ns=flush_ns)


def _tls(values: Mapping[str, Any], findings: Findings) -> TlsOptions:
    cert, key, client_ca = values["tls-cert"], values["tls-key"], values["tls-client-ca"]
    findings.check_pair(values, "tls-cert", "tls-key")
    if client_ca and not cert:
        findings.refuse("tls-client-ca", repr(client_ca), "--tls-cert and --tls-key beside it")
    if values["allowed-users"] and not client_ca:
        findings.note("allowed-users", "nobody is checked without --tls-client-ca")
    return TlsOptions(cert_file=cert, key_file=key, client_ca_file=client_ca, allowed_users=values["allowed-users"])


def _query(values: Mapping[str, Any], findings: Findings) -> QueryOptions:
    for flag in ("query-max-rows", "query-max-samples", "query-max-body-bytes"):
        if values[flag] < 1:
            findings.refuse(flag, values[flag], "at least 1")
    if values["query-timeout"] <= 0:
        findings.refuse("query-timeout", format_duration(values["query-timeout"]), "more than 0s")
    return QueryOptions(
        max_rows=values["query-max-rows"],
        max_samples=values["query-max-samples"],
        timeout_ns=values["query-timeout"],
        max_body_bytes=values["query-max-body-bytes"],
    )


def _log(values: Mapping[str, Any]) -> LogOptions:
    layout = values["logging-format"]
    if not values["logtostderr"] and not values["alsologtostderr"]:
        # What glog would have sent to files goes nowhere; its threshold holds for the rest.
        severity = values["stderrthreshold"]
        return LogOptions(level="CRITICAL" if severity == "FATAL" else severity, format=layout)
    return LogOptions(level="DEBUG" if values["v"] >= DEBUG_VERBOSITY else "INFO", format=layout)


def _check_ports(arguments: Arguments, api: ApiOptions, secure: SecureOptions | None, findings: Findings) -> None:
    """Notes flags of a port that is closed, and refuses to serve nothing at all."""
    if secure is None and not api.enabled:
        findings.refuse("secure-port", 0, "a port, or --heapster-port beside it: nothing would be served")
    closed: list[tuple[tuple[Group, ...], str]] = []
    if secure is None:
        closed.append(((Group.SECURE_PORT, Group.AUTH, Group.SECURE_APIS), "--secure-port"))
    if not api.enabled:
        closed.append(((Group.PLAIN_PORT,), "--heapster-port"))
    for groups, opener in closed:
        for flag in FLAGS.values():
            if flag.group in groups and flag.name in arguments.given and f"--{flag.name}" != opener:
                findings.note(flag.name, f"has no effect: its port is closed, {opener} opens it")
