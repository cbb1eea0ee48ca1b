"""What can be said about a simulated cluster, as data and as command-line flags.

In      argparse arguments, or keywords
Out     SimulateOptions, checked
Callers cli (`heapfast simulate`), main, tests, bench/scenarios.py
Never   accepts an address that is not loopback
"""

from __future__ import annotations

import argparse
import ipaddress
from typing import Final
from urllib.parse import urlsplit

import msgspec

from heapfast.errors import ConfigError
from heapfast.sim.faults import KINDS, parse_fault

#: Node addresses are 127.1.0.1 and up; 127.255.255.255 is a broadcast address.
MAX_NODES: Final = 1_000_000
DEFAULT_DAEMON_URL: Final = "http://127.0.0.1:8082"


class SimulateOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated cluster.

    Attributes:
        nodes, pods_per_node, containers: size; `containers` is per pod.
        namespaces: how many; at least 1.
        seed: two clusters with one seed, made at one time, are alike.
        api_port, kubelet_port: loopback ports; 0 lets the system choose.
        tls: serve API and kubelets over TLS, with certificates made in `directory`.
        token: bearer token that API and kubelets demand (or a client certificate, with tls); "" = none.
            kubectl sends tokens over TLS only.
        viewer_token: of a second user, who may only read the metrics of pods of `viewer_namespace`; "" = there is
            none. The kubeconfig has a context "viewer" for it.
        directory: where kubeconfig and certificates go; "" = a temporary one, removed at the end.
        sampling_seconds: how often kubelets sample.
        spread_ms: containers are sampled up to this much before their node.
        shuffle: kubelets list pods in random order; resource metrics of containers are sorted, as theirs are.
        churn_per_minute: pods replaced a minute.
        faults: "TARGET=KIND[:NUMBER][@PATH]", see faults.py.
        daemon_url: where metrics.k8s.io and the service proxy of Heapster are forwarded to.
        aggregated_url: where metrics.k8s.io is forwarded to, when that is another port; "" = daemon_url.
        event_window: how many events of each kind a watch can go back; beyond that it gets 410.
        bookmark_seconds: between two bookmarks of a watch that allows them.
    """

    nodes: int = 10
    pods_per_node: int = 10
    containers: int = 2
    namespaces: int = 3
    seed: int = 1
    api_port: int = 0
    kubelet_port: int = 0
    tls: bool = False
    token: str = ""
    viewer_token: str = ""
    viewer_namespace: str = "default"
    directory: str = ""
    sampling_seconds: float = 10.0
    spread_ms: int = 800
    shuffle: bool = True
    churn_per_minute: float = 0.0
    faults: tuple[str, ...] = ()
    daemon_url: str = DEFAULT_DAEMON_URL
    aggregated_url: str = ""
    event_window: int = 10_000
    bookmark_seconds: float = 60.0

    def check(self) -> None:
        """Raises ConfigError with every fault found."""
        found = []
        for name, low, high in (
            ("nodes", 1, MAX_NODES),
            ("pods_per_node", 0, 1000),
            ("containers", 1, 100),
            ("namespaces", 1, 100_000),
            ("api_port", 0, 65535),
            ("kubelet_port", 0, 65535),
            ("sampling_seconds", 0.1, 3600),
            ("spread_ms", 0, 60_000),
            ("churn_per_minute", 0, 1_000_000),
            ("event_window", 1, 10_000_000),
            ("bookmark_seconds", 0.01, 3600),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                found.append(f"--{name.replace('_', '-')}: got {value}, want {low} to {high}")
        for text in self.faults:
            try:
                parse_fault(text)
            except ConfigError as error:
                found += [f"--fault: {fault}" for fault in error.faults]
        for flag, url in (("--daemon-url", self.daemon_url), ("--aggregated-url", self.aggregated_url)):
            if not is_loopback_url(url) and (url or flag == "--daemon-url"):
                found.append(f"{flag}: got {url!r}, want http(s)://, a loopback address and a port")
        if self.viewer_token and self.viewer_token == self.token:
            found.append("--viewer-token: want another one than --token")
        if found:
            raise ConfigError(found)


def is_loopback_url(url: str) -> bool:
    """Whether a URL is http(s) and points to this machine by a loopback address."""
    try:
        parts = urlsplit(url)
        host = ipaddress.ip_address(parts.hostname or "")
        return parts.scheme in ("http", "https") and host.is_loopback and parts.port is not None
    except ValueError:
        return False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `heapfast simulate`; their defaults are those a person wants."""
    default = SimulateOptions(api_port=16443, kubelet_port=20250)

    def add(flag: str, metavar: str, text: str, *, name: str = "") -> None:
        """A flag with a value: of the type of its default, which the text ends with."""
        name = name or flag.removeprefix("--").replace("-", "_")
        value = getattr(default, name)
        shown = f" (default {value})" if value not in ("", 0) else ""
        parser.add_argument(flag, dest=name, type=type(value), default=value, metavar=metavar, help=text + shown)

    def switch(flag: str, text: str, *, name: str = "", action: str = "store_true") -> None:
        parser.add_argument(flag, dest=name or flag.removeprefix("--"), action=action, help=text)

    add("--nodes", "N", "nodes of the cluster, each with a kubelet at a loopback address of its own")
    add("--pods-per-node", "N", "pods on each node")
    add("--containers", "N", "containers of each pod")
    add("--namespaces", "N", "namespaces that pods are spread over")
    add("--seed", "N", "what names, sizes and loads follow from: one seed, one cluster")
    add("--api-port", "PORT", "port of the API server; 0 takes a free one")
    add("--kubelet-port", "PORT", "port of every kubelet; 0 takes a free one")
    switch("--tls", "serve API server and kubelets over TLS, with certificates made for the run")
    add("--token", "TOKEN", "bearer token that API server and kubelets demand; without one nobody is asked for any")
    add(
        "--viewer-token",
        "TOKEN",
        "of a second user, who may read the metrics of pods of one namespace and nothing else",
    )
    add("--viewer-namespace", "NAME", "the namespace of that user")
    add(
        "--directory", "DIR", "where kubeconfig and certificates go; without one a temporary folder, removed at the end"
    )
    add("--sampling-seconds", "SECONDS", "how often kubelets sample")
    add("--spread-ms", "MS", "containers are sampled up to so much before their node")
    switch(
        "--no-shuffle",
        "list pods in a fixed order, not in another one at each sampling",
        name="shuffle",
        action="store_false",
    )
    add("--churn", "PODS", "pods that are replaced a minute", name="churn_per_minute")
    parser.add_argument(
        "--fault",
        dest="faults",
        action="append",
        default=[],
        metavar="TARGET=KIND[:NUMBER][@PATH]",
        help="what is wrong with a node, a glob or a percentage of nodes: node-0003=hang, '*=slow:10', or with one path"
        f" of theirs: 5%%=500@/stats/summary; repeatable. KIND is an HTTP status or {', '.join(KINDS)}",
    )
    add("--daemon-url", "URL", "the daemon's plain port: what the API server's proxy forwards Heapster's service to")
    add(
        "--aggregated-url",
        "URL",
        "the daemon's secure port, which metrics.k8s.io is forwarded to; without one --daemon-url",
    )
    add("--event-window", "EVENTS", "how far back a watch can go, before it gets a 410")
    add("--bookmark-seconds", "SECONDS", "time between two bookmarks of a watch that allows them")


def options_from_args(namespace: argparse.Namespace) -> SimulateOptions:
    """The options that parsed flags state. Raises ConfigError with every fault found."""
    values = {name: getattr(namespace, name) for name in SimulateOptions.__struct_fields__}
    values["faults"] = tuple(values["faults"])
    options = SimulateOptions(**values)
    options.check()
    return options
