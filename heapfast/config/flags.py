"""Every flag of the daemon, with type, default and meaning.

In      nothing; this is a table
Out     FLAGS by name; the name is spelt with "-", and "_" means the same
Callers config.argv reads command lines by it, config.build the values, cli prints it as --help
Source  spec/heapster-rest.md 12 and 10.1, spec/heapster-pipeline.md 3.1
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final, NamedTuple

from heapfast.config.values import format_duration, parse_bool, parse_duration, parse_int, parse_list
from heapfast.units import NS_PER_SECOND


class Group(Enum):
    """Headings of --help, in its order."""

    PIPELINE = "Where metrics come from and go to"
    LABELS = "Labels"
    SERVING = "Serving"
    STORE = "Memory (heapfast's own)"
    SCRAPING = "Scraping (heapfast's own)"
    LOGGING = "Logging"
    AGGREGATED = "Heapster's aggregated API server, which heapfast does not run: accepted at these defaults"
    OTHER = "Other"


class Flag(NamedTuple):
    """One flag.

    Attributes:
        name: without dashes.
        parse: from the text on the command line to the value; ValueError says what was wanted.
        default: the value when the flag is not given.
        group: where --help shows it.
        help: what it does, in one sentence.
        repeats: the values of all occurrences are joined; otherwise the last one counts.
    """

    name: str
    parse: Callable[[str], Any]
    default: Any
    group: Group
    help: str
    repeats: bool = False

    @property
    def is_switch(self) -> bool:
        """True when the bare flag means true, so that the next word is not its value."""
        return self.parse is parse_bool

    def show(self, value: Any) -> str:
        """Writes a value as a user would, "" when there is none."""
        if self.parse is parse_duration:
            return format_duration(value)
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, tuple):
            return ",".join(value)
        return str(value)


def _parse_one(text: str) -> list[str]:
    return [text]


def _parse_names(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _parse_severity(text: str) -> str:
    severities = ("INFO", "WARNING", "ERROR", "FATAL")
    if text.upper() in severities:
        return text.upper()
    if text in ("0", "1", "2", "3"):
        return severities[int(text)]
    raise ValueError("INFO, WARNING, ERROR, FATAL or 0 to 3")


def _table() -> dict[str, Flag]:
    rows: list[Flag] = []
    group = Group.PIPELINE

    def add(name: str, parse: Callable[[str], Any], default: Any, text: str, repeats: bool = False) -> None:
        rows.append(Flag(name, parse, default, group, text, repeats))

    def string(name: str, text: str, default: str = "") -> None:
        add(name, str, default, text)

    def switch(name: str, text: str, default: bool = False) -> None:
        add(name, parse_bool, default, text)

    def integer(name: str, default: int, text: str) -> None:
        add(name, parse_int, default, text)

    def duration(name: str, default_seconds: int, text: str) -> None:
        add(name, parse_duration, default_seconds * NS_PER_SECOND, text)

    def words(name: str, text: str, default: tuple[str, ...] = ()) -> None:
        add(name, parse_list, default, f"{text} Comma-separated, repeatable.", repeats=True)

    add(
        "source",
        _parse_one,
        (),
        "Where metrics come from: KEY[:URL]; exactly one. KEY is kubernetes.summary_api (kubelets' /stats/summary) or"
        " kubernetes (their cAdvisor's /stats/container). URL is the API server's, with ?inClusterConfig, auth,"
        " insecure, useServiceAccount, kubeletPort and kubeletHttps.",
        repeats=True,
    )
    add("sink", _parse_one, (), "Where metrics go: KEY[:URL]; 'metric' is the memory. Repeatable.", repeats=True)
    duration("metric-resolution", 60, "Spacing of the samples, at least 5s.")
    switch("disable-metric-sink", "Serve nothing from memory: its routes answer 503.")
    switch("disable-export", "Answer /api/v1/metric-export with [].")
    string("historical-source", "Sink that serves history; none is there yet.")
    duration("sink-export-data-timeout", 20, "How long to wait for a busy sink; the memory is never busy.")

    group = Group.LABELS
    string("label-separator", "Joins the key:value pairs in the label 'labels'.", ",")
    words("ignore-label", "Kubernetes labels to leave out of 'labels'.")
    words("store-label", "Kubernetes labels to store as labels of their own: NAME or NEW=NAME.")

    group = Group.SERVING
    string("listen-ip", "Address to listen on; empty means all.")
    integer("heapster-port", 8082, "TCP port; 0 takes a free one.")
    string("tls-cert", "PEM file of the serving certificate.")
    string("tls-key", "PEM file of its key.")
    string("tls-client-ca", "PEM file of the authorities that clients' certificates must come from.")
    add("allowed-users", _parse_names, (), "Common names that may ask, comma-separated; empty means all.")
    integer("max-procs", 0, "Threads that close and render batches; 0 means one for each core.")

    group = Group.STORE
    words("long-metrics", "Metrics to keep long.", ("cpu/usage_rate", "memory/usage"))
    duration("long-retention", 15 * 60, "How far back these reach.")
    duration("short-retention", 140, "How far back all others reach.")

    group = Group.SCRAPING
    duration("scrape-timeout", 0, "Longest scrape of a node; 0s means 10s, or half the resolution if that is less.")
    duration("scrape-spread", 0, "Span over which the scrapes of a batch start; 0s means 8ms a node, 4s at most.")
    integer("max-body-bytes", 64 << 20, "Longest answer of a kubelet.")
    switch("kubelet-token-over-http", "Send the bearer token to kubelets without TLS, readable on the wire.")

    group = Group.LOGGING
    integer("v", 0, "Verbosity; 4 and more logs at DEBUG.")
    switch("logtostderr", "Log to standard error; heapfast always does.", default=True)
    switch("alsologtostderr", "The same.")
    add("stderrthreshold", _parse_severity, "ERROR", "Least severity to log, when --logtostderr=false.")
    string("vmodule", "No effect.")
    string("log-dir", "No effect: there are no log files.")
    string("log-backtrace-at", "No effect.")
    duration("log-flush-frequency", 5, "No effect: lines are written at once.")

    group = Group.AGGREGATED
    switch("api-server", "Run it.")
    string("bind-address", "Its address.", "0.0.0.0")
    integer("secure-port", 6443, "Its port.")
    string("cert-dir", "Folder of its certificates.", "/var/run/kubernetes")
    string("tls-cert-file", "Its certificate.")
    string("tls-private-key-file", "Its key.")
    string("tls-ca-file", "Its authority.")
    add("tls-sni-cert-key", _parse_one, (), "Certificates by name. Repeatable.", repeats=True)
    string("client-ca-file", "Authority of its clients.")
    string("requestheader-client-ca-file", "Authority of its proxies.")
    words("requestheader-allowed-names", "Names of its proxies.")
    words("requestheader-username-headers", "Headers with the user.", ("x-remote-user",))
    words("requestheader-group-headers", "Headers with the groups.", ("x-remote-group",))
    words("requestheader-extra-headers-prefix", "Prefixes of further headers.", ("x-remote-extra-",))
    string("authentication-kubeconfig", "Who may ask it.")
    duration("authentication-token-webhook-cache-ttl", 10, "How long that holds.")
    string("authorization-kubeconfig", "Who may ask it for what.")
    duration("authorization-webhook-cache-authorized-ttl", 10, "How long a yes holds.")
    duration("authorization-webhook-cache-unauthorized-ttl", 10, "How long a no holds.")
    switch("profiling", "Serve its profiles.", default=True)
    switch("contention-profiling", "Profile its locks.")
    switch("enable-swagger-ui", "Serve its browser.")

    group = Group.OTHER
    switch("version", "Print the version and exit.")
    switch("help", "Print this and exit.")
    return {flag.name: flag for flag in rows}


FLAGS: Final = _table()
