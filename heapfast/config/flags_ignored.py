"""Flags that manifests carry and heapfast has no use for: each is accepted, and noted when it is given.

In      nothing; this is a table
Out     IGNORED_FLAGS, whose help says why they do nothing
Callers flags
Source  spec/metrics-k8s-io.md 17, spec/heapster-rest.md 12; names of Kubernetes' API server library, of klog and glog
Never   reads a value: what would be wrong with it cannot matter
"""

from __future__ import annotations

from typing import Final

from heapfast.config.flag import Flag, FlagTable, Group

#: (why, flags with a value, switches)
_ROWS: Final = (
    (
        "has no effect: no audit log is written",
        """
        audit-log-batch-buffer-size audit-log-batch-max-size audit-log-batch-max-wait audit-log-batch-throttle-burst
        audit-log-batch-throttle-qps audit-log-format audit-log-maxage audit-log-maxbackup audit-log-maxsize
        audit-log-mode audit-log-path audit-log-truncate-max-batch-size audit-log-truncate-max-event-size
        audit-log-version audit-policy-file audit-webhook-batch-buffer-size audit-webhook-batch-max-size
        audit-webhook-batch-max-wait audit-webhook-batch-throttle-burst audit-webhook-batch-throttle-qps
        audit-webhook-config-file audit-webhook-initial-backoff audit-webhook-mode
        audit-webhook-truncate-max-batch-size audit-webhook-truncate-max-event-size audit-webhook-version
        """,
        """
        audit-log-batch-throttle-enable audit-log-compress audit-log-truncate-enabled
        audit-webhook-batch-throttle-enable audit-webhook-truncate-enabled
        """,
    ),
    (
        "has no effect: heapfast has no feature gates and emulates no other version",
        "feature-gates emulated-version min-compatibility-version",
        "emulation-forward-compatible runtime-config-emulation-forward-compatible",
    ),
    (
        "has no effect: it looks into Go programs",
        "debug-socket-path",
        "profiling contention-profiling enable-swagger-ui",
    ),
    (
        "has no effect: connections speak HTTP/1.1",
        "http2-max-streams-per-connection goaway-chance",
        "disable-http2-serving",
    ),
    (
        "has no effect on what heapfast serves",
        """
        advertise-address external-hostname cors-allowed-origins strict-transport-security-directives
        max-mutating-requests-inflight min-request-timeout tls-curve-preferences tls-ca-file
        livez-grace-period shutdown-watch-termination-grace-period storage-initialization-timeout
        """,
        "enable-priority-and-fairness shutdown-send-retry-after permit-address-sharing permit-port-sharing",
    ),
    (
        "has no effect; heapfast logs to standard error",
        "log-dir log-file log-file-max-size log-backtrace-at vmodule",
        "add-dir-header one-output skip-headers skip-log-headers",
    ),
    (
        "has no effect: lines are written at once",
        "log-flush-frequency log-json-info-buffer-size log-text-info-buffer-size",
        "log-json-split-stream log-text-split-stream",
    ),
)


def _flags() -> list[Flag]:
    table = FlagTable(Group.IGNORED)
    for why, with_value, switches in _ROWS:
        for name in with_value.split():
            table.string(name, why)
        for name in switches.split():
            table.switch(name, why)
    return table.flags


IGNORED_FLAGS: Final = _flags()
