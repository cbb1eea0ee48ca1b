"""What each stage is told, as frozen structs.

In      nothing; these are the types
Out     Options: one struct a stage, units in the field docs
Callers config.build makes them, daemon hands their values to constructors
Never   validates, or has a default that a flag has: what may be left out here is what nobody asked for
        (times are nanoseconds, sizes are bytes)
"""

from __future__ import annotations

from typing import Literal

import msgspec

from heapfast.history.options import EmbeddedOptions
from heapfast.scrape.shard import Shard
from heapfast.sinks.sink import HistorySpec, SinkSpec


class KubeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the API server; from --kubeconfig or the URL of --source.

    Attributes:
        server: scheme and authority, such as "https://10.0.0.1:6443"; "" takes what the credentials say.
        in_cluster: server, token and CA come from the pod's service account.
        kubeconfig: path of a kubeconfig whose current context gives server and credentials; "" for none.
        insecure: do not verify the API server's certificate.
        use_service_account: replace the bearer token by the mounted service account's, where it is readable.
    """

    server: str = ""
    in_cluster: bool
    kubeconfig: str = ""
    insecure: bool = False
    use_service_account: bool = False


class ScrapeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The sources: what kubelets are asked for, where, and how patiently.

    Attributes:
        kind: "summary" reads /stats/summary, "cadvisor" /stats/container, "resource" /metrics/resource.
        side_resolution_ns: how often "summary" is asked for beside "resource"; 0 for never.
        kubelet_port: TCP port of every kubelet, unless KubeletOptions asks nodes for it.
        kubelet_https: ask over TLS.
        insecure: do not verify kubelets' certificates.
        token_over_http: send the bearer token to kubelets that are asked without TLS.
        timeout_ns: from the start to the last byte of one answer; more is a failed scrape.
        spread_ns: over which the scrapes of a batch start; 0 leaves it to the number of targets, and to their rhythms.
        deadline_ns: after which a batch goes on without those that have not answered.
        max_body_bytes: a longer answer is a failed scrape.
    """

    kind: Literal["summary", "cadvisor", "resource"]
    side_resolution_ns: int = 0
    kubelet_port: int
    kubelet_https: bool
    insecure: bool = False
    token_over_http: bool = False
    timeout_ns: int
    spread_ns: int = 0
    deadline_ns: int
    max_body_bytes: int


class KubeletOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for kubelets whatever they are asked for.

    Attributes:
        address_types: of node addresses, best first; () is Heapster's choice: InternalIP, else ExternalIP or
            LegacyHostIP, addresses only.
        uses_node_status_port: a port that a node states beats kubelet_port.
        ca_file: PEM file of the authorities of kubelets' certificates; "" is the API server's CA.
        client_cert_file: PEM file of the certificate that kubelets are shown; "" for that of the credentials.
        client_key_file: PEM file of its key.
        node_selector: labels of the nodes to scrape, in Kubernetes' grammar; "" for all.
        shard: which of the nodes are this replica's; all, by default.
    """

    address_types: tuple[str, ...] = ()
    uses_node_status_port: bool = False
    ca_file: str = ""
    client_cert_file: str = ""
    client_key_file: str = ""
    node_selector: str = ""
    shard: Shard = Shard()


class StoreOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept in memory.

    Attributes:
        long_metrics: metrics of the long class, by name.
        long_retention_ns: how far back the long class reaches.
        short_retention_ns: how far back every other metric reaches.
        usage_keys: what metrics.k8s.io says beside CPU and memory, as catalog/usage_keys.py has it.
    """

    long_metrics: tuple[str, ...]
    long_retention_ns: int
    short_retention_ns: int
    usage_keys: tuple[str, ...] = ()


class LabelOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How Kubernetes labels become labels of metrics.

    Attributes:
        separator: between the "key:value" pairs of the label `labels`.
        ignored: keys that are left out of `labels`.
        stored: (key in Kubernetes, label of its own) pairs.
    """

    separator: str
    ignored: tuple[str, ...] = ()
    stored: tuple[tuple[str, str], ...] = ()


class TlsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Who may ask on Heapster's port, and how; all empty means plain HTTP for everybody.

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
    """What the daemon serves, and where Heapster's port is.

    Attributes:
        enabled: Heapster's port is open.
        listen_ip: address to listen on; "" means all.
        port: TCP port; 0 takes a free one.
        export_enabled: /api/v1/metric-export answers with data, not with [].
        model_enabled: the in-memory store answers; otherwise its routes are 503.
    """

    enabled: bool
    listen_ip: str = ""
    port: int
    export_enabled: bool
    model_enabled: bool


class QueryOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What one question to /apis/heapfast/v1/query may cost.

    Attributes:
        max_rows: of an answer.
        max_samples: in memory at a time, for percentiles.
        timeout_ns: longest time to answer.
        max_body_bytes: of a question that is posted.
    """

    max_rows: int
    max_samples: int
    timeout_ns: int
    max_body_bytes: int


class SniPair(msgspec.Struct, frozen=True, kw_only=True):
    """A serving certificate for some names.

    Attributes:
        names: host names, a leading "*." for any; () takes the certificate's own.
    """

    cert_file: str
    key_file: str
    names: tuple[str, ...] = ()


class SecureOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The secure port: HTTPS, and every caller is authenticated and authorized.

    Attributes:
        bind_address: IP address to listen on.
        port: TCP port; 0 takes a free one (--secure-port=0 gives no SecureOptions at all).
        cert_file: PEM file of the serving certificate, with its chain; "" looks into cert_dir.
        key_file: PEM file of its key.
        cert_dir: folder of apiserver.crt and apiserver.key, made there when they are missing.
        sni: further pairs, by the name that the client asks for.
        min_tls: the oldest version of TLS that is spoken.
        cipher_suites: OpenSSL's names of what TLS 1.2 may use; () leaves it to OpenSSL.
        max_requests: answered at a time; 0 for any number.
        request_timeout_ns: longest time to answer one.
        shutdown_delay_ns: from SIGTERM, when /readyz begins to fail, until the port closes.
        enable_custom_metrics: custom.metrics.k8s.io is served, too.
    """

    bind_address: str
    port: int
    cert_file: str = ""
    key_file: str = ""
    cert_dir: str
    sni: tuple[SniPair, ...] = ()
    min_tls: Literal["1.2", "1.3"]
    cipher_suites: tuple[str, ...] = ()
    max_requests: int
    request_timeout_ns: int
    shutdown_delay_ns: int = 0
    enable_custom_metrics: bool = False


class RequestHeaderOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Front proxies, as flags describe them; header names and prefixes are in lower case.

    Attributes:
        ca_file: PEM file of their authorities.
        allowed_names: common names; () for all.
    """

    ca_file: str
    allowed_names: tuple[str, ...] = ()
    username_headers: tuple[str, ...]
    uid_headers: tuple[str, ...] = ()
    group_headers: tuple[str, ...]
    extra_prefixes: tuple[str, ...]


class AuthOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Who may ask on the secure port.

    Attributes:
        authentication_kubeconfig: says where TokenReviews and the config map are; "" is KubeOptions.
        authorization_kubeconfig: says where SubjectAccessReviews are; "" is KubeOptions.
        skips_lookup: never read the config map extension-apiserver-authentication.
        tolerates_lookup_failure: start without it when it cannot be read.
        client_ca_file: PEM file of the authorities of clients; "" is the config map's.
        request_header: front proxies; None is the config map's.
        always_allow_paths: open to everybody; a trailing "*" opens what begins so.
        token_ttl_ns: how long a TokenReview's answer holds.
        authorized_ttl_ns, unauthorized_ttl_ns: how long a SubjectAccessReview's yes and no hold.
    """

    authentication_kubeconfig: str = ""
    authorization_kubeconfig: str = ""
    skips_lookup: bool = False
    tolerates_lookup_failure: bool = False
    client_ca_file: str = ""
    request_header: RequestHeaderOptions | None = None
    always_allow_paths: tuple[str, ...]
    token_ttl_ns: int
    authorized_ttl_ns: int
    unauthorized_ttl_ns: int


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What goes to standard error.

    Attributes:
        level: the least severe level of Python's logging that is written.
        format: "text", or "json": one object a line.
    """

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
    format: Literal["text", "json"]


class SinkOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where batches go.

    Attributes:
        specs: (key, sink) of those besides the memory, in the order of the command line.
        queue_batches: so many wait for a sink that is busy or away; then its oldest are dropped.
        send_ns: longest time of one attempt to send.
        flush_ns: how long a daemon that stops goes on sending what is queued.
    """

    specs: tuple[tuple[str, SinkSpec], ...]
    queue_batches: int
    send_ns: int
    flush_ns: int


class HistoryOptions(msgspec.Struct, frozen=True, kw_only=True):
    """History, and what one question about it may cost.

    Attributes:
        embedded: the store of heapfast's own; None when it is not used.
        store: the store of a sink that is asked instead; None when there is none.
        max_points: samples or buckets in one answer.
        timeout_ns: how long the store of history may take for one.
    """

    embedded: EmbeddedOptions | None
    store: HistorySpec | None = None
    max_points: int
    timeout_ns: int


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that can be run.

    Attributes:
        resolution_ns: the spacing of ticks and scrapes.
        threads: size of the thread pool that closes and renders batches; 0 is one for each core.
        data_dir: folder for what outlives the daemon; "" keeps everything in memory alone.
        secure: None when the secure port is closed.
        notes: what the operator should know about flags that do less than they seem to; logged at start.
    """

    resolution_ns: int
    threads: int
    data_dir: str = ""
    kube: KubeOptions
    source: ScrapeOptions
    kubelets: KubeletOptions
    store: StoreOptions
    labels: LabelOptions
    api: ApiOptions
    query: QueryOptions
    tls: TlsOptions
    secure: SecureOptions | None
    auth: AuthOptions
    log: LogOptions
    sinks: SinkOptions
    history: HistoryOptions
    notes: tuple[str, ...] = ()
