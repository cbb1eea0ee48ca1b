"""What each stage is told, as frozen structs.

In      nothing; these are the types
Out     Options: one struct a stage, defaults and units in the field docs
Callers config.build makes them, daemon hands their values to constructors
Never   validates; times are nanoseconds, sizes are bytes
"""

from __future__ import annotations

from typing import Literal

import msgspec

from heapfast.units import NS_PER_SECOND


class KubeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the API server; from the URL of --source.

    Attributes:
        server: scheme and authority, such as "https://10.0.0.1:6443"; "" takes what the credentials say.
        in_cluster: server, token and CA come from the pod's service account.
        kubeconfig: path of a kubeconfig whose current context gives server and credentials; "" for none.
        insecure: do not verify the API server's certificate.
        use_service_account: replace the bearer token by the mounted service account's, where it is readable.
    """

    server: str = ""
    in_cluster: bool = True
    kubeconfig: str = ""
    insecure: bool = False
    use_service_account: bool = False


class ScrapeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How kubelets are asked.

    Attributes:
        source: "summary" reads /stats/summary, "cadvisor" reads /stats/container.
        kubelet_port: TCP port of every kubelet.
        kubelet_https: ask over TLS.
        insecure: do not verify kubelets' certificates.
        token_over_http: send the bearer token to kubelets that are asked without TLS.
        timeout_ns: from the start to the last byte of one answer; more is a failed scrape.
        spread_ns: over which the scrapes of a batch start; 0 leaves it to the number of targets.
        deadline_ns: after which a batch goes on without those that have not answered.
        max_body_bytes: a longer answer is a failed scrape.
    """

    source: Literal["summary", "cadvisor"] = "summary"
    kubelet_port: int = 10255
    kubelet_https: bool = False
    insecure: bool = False
    token_over_http: bool = False
    timeout_ns: int
    spread_ns: int = 0
    deadline_ns: int
    max_body_bytes: int = 64 << 20


class StoreOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept in memory.

    Attributes:
        long_metrics: metrics of the long class, by name.
        long_retention_ns: how far back the long class reaches.
        short_retention_ns: how far back every other metric reaches.
    """

    long_metrics: tuple[str, ...] = ("cpu/usage_rate", "memory/usage")
    long_retention_ns: int = 15 * 60 * NS_PER_SECOND
    short_retention_ns: int = 140 * NS_PER_SECOND


class LabelOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How Kubernetes labels become labels of metrics.

    Attributes:
        separator: between the "key:value" pairs of the label `labels`.
        ignored: keys that are left out of `labels`.
        stored: (key in Kubernetes, label of its own) pairs.
    """

    separator: str = ","
    ignored: tuple[str, ...] = ()
    stored: tuple[tuple[str, str], ...] = ()


class TlsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Who may ask, and how; all empty means plain HTTP for everybody.

    Attributes:
        cert_file: PEM file of the serving certificate, with its chain.
        key_file: PEM file of its key.
        client_ca_file: PEM file of the authorities that client certificates must come from; "" asks for none.
        allowed_users: common names that may ask; () allows every valid certificate.
    """

    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    allowed_users: tuple[str, ...] = ()


class ApiOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where and what the daemon serves.

    Attributes:
        listen_ip: address to listen on; "" means all.
        port: TCP port; 0 takes a free one.
        export_enabled: /api/v1/metric-export answers with data, not with [].
        model_enabled: the in-memory store answers; otherwise its routes are 503.
    """

    listen_ip: str = ""
    port: int = 8082
    export_enabled: bool = True
    model_enabled: bool = True


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What goes to standard error.

    Attributes:
        level: the least severe level of Python's logging that is written.
    """

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that can be run.

    Attributes:
        resolution_ns: the spacing of ticks.
        threads: size of the thread pool that closes and renders batches.
        notes: what the operator should know about flags that do less than they seem to; logged at start.
    """

    resolution_ns: int
    threads: int
    kube: KubeOptions
    scrape: ScrapeOptions
    store: StoreOptions
    labels: LabelOptions
    api: ApiOptions
    tls: TlsOptions
    log: LogOptions
    notes: tuple[str, ...] = ()
