"""Options as they are when nobody says anything: what tests hold the table of flags to.

In      fields that a test gives
Out     option structs with the documented defaults in all others
Callers the tests of this folder; tests/unit/test_daemon.py
Source  spec/heapster-rest.md 12, spec/heapster-pipeline.md 3.2, spec/metrics-k8s-io.md 17
"""

from functools import partial

from heapfast.config import options
from heapfast.units import NS_PER_SECOND

KubeOptions = partial(options.KubeOptions, in_cluster=True)
ScrapeOptions = partial(
    options.ScrapeOptions, kind="summary", kubelet_port=10255, kubelet_https=False, max_body_bytes=64 << 20
)
StoreOptions = partial(
    options.StoreOptions, long_retention_ns=15 * 60 * NS_PER_SECOND, short_retention_ns=140 * NS_PER_SECOND
)
LabelOptions = partial(options.LabelOptions, separator=",")
ApiOptions = partial(options.ApiOptions, enabled=True, port=8082, export_enabled=True, model_enabled=True)
QueryOptions = partial(
    options.QueryOptions,
    max_rows=100_000,
    max_samples=20_000_000,
    timeout_ns=10 * NS_PER_SECOND,
    max_body_bytes=256 << 10,
)
SecureOptions = partial(
    options.SecureOptions,
    bind_address="0.0.0.0",
    port=443,
    cert_dir="apiserver.local.config/certificates",
    min_tls="1.2",
    max_requests=400,
    request_timeout_ns=60 * NS_PER_SECOND,
)
RequestHeaderOptions = partial(
    options.RequestHeaderOptions,
    username_headers=("x-remote-user",),
    group_headers=("x-remote-group",),
    extra_prefixes=("x-remote-extra-",),
)
AuthOptions = partial(
    options.AuthOptions,
    always_allow_paths=("/healthz", "/readyz", "/livez"),
    token_ttl_ns=10 * NS_PER_SECOND,
    authorized_ttl_ns=10 * NS_PER_SECOND,
    unauthorized_ttl_ns=10 * NS_PER_SECOND,
)
LogOptions = partial(options.LogOptions, level="INFO", format="text")
SinkOptions = partial(
    options.SinkOptions, specs=(), queue_batches=2, send_ns=20 * NS_PER_SECOND, flush_ns=10 * NS_PER_SECOND
)
HistoryOptions = partial(options.HistoryOptions, embedded=None, max_points=1_000_000, timeout_ns=30 * NS_PER_SECOND)
