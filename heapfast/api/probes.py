"""/livez, /readyz, /healthz of the secure port, and their single checks.

In      Signs, and what the latest view can serve
Out     text: `ok`, or a line a check
Callers secure_routes.py; kubelets
Source  spec/metrics-k8s-io.md 9.1, which upstream's end-to-end suite compares byte for byte
Never   looks at who asks, or at what kubelets answer: readiness is whether caches are synced, unless told otherwise
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import falcon.asgi

from heapfast.api.params import values_of
from heapfast.api.request import Request
from heapfast.api.responders import Responder, put_plain
from heapfast.api.secure_state import SecureState
from heapfast.query.quoting import quote

#: Open to everybody, and never refused for being too many.
PROBE_PATHS: Final = frozenset(("/livez", "/readyz", "/healthz"))


class Check(NamedTuple):
    """One thing that can be wrong.

    Attributes:
        name: in paths and texts.
        find_fault: says what is wrong, None when nothing is.
    """

    name: str
    find_fault: Callable[[], str | None]


class Probes:
    """Responders of the probes; every method is welcome.

    Attributes:
        checks: of each probe, by its name, in the order of the verbose text.
    """

    def __init__(self, state: SecureState) -> None:
        self._state = state
        # There is nothing behind the first four that could fail: they are here for who looks for their names.
        always = [
            Check(name, _nothing)
            for name in (
                "ping",
                "log",
                "poststarthook/max-in-flight-filter",
                "poststarthook/storage-object-count-tracker-hook",
            )
        ]
        metadata = Check("metadata-informer-sync", self._metadata_fault)
        self.checks: dict[str, list[Check]] = {
            "livez": [*always, Check("metric-collection-timely", self._collection_fault), metadata],
            "readyz": [
                *always,
                Check("metric-storage-ready", self._storage_fault),
                Check("metric-informer-sync", self._informer_fault),
                metadata,
                Check("shutdown", self._stop_fault),
            ],
            "healthz": [*always, metadata],
        }

    def probe(self, name: str) -> Responder:
        """Make the responder of one probe."""
        checks = self.checks[name]

        async def respond(req: Request, resp: falcon.asgi.Response) -> None:
            excluded = set(values_of(req.raw_query, "exclude"))
            lines = []
            has_failed = False
            for check in checks:
                if check.name in excluded:
                    excluded.discard(check.name)
                    lines.append(f"[+]{check.name} excluded: ok")
                elif check.find_fault() is None:
                    lines.append(f"[+]{check.name} ok")
                else:
                    has_failed = True
                    lines.append(f"[-]{check.name} failed: reason withheld")
            if excluded:
                names = ",".join(quote(one) for one in sorted(excluded))
                lines.append(f"warn: some health checks cannot be excluded: no matches for {names}")
            lines.append(f"{name} check {'failed' if has_failed else 'passed'}")
            if has_failed or "verbose" in req.query():
                text = "".join(f"{line}\n" for line in lines).encode()
                put_plain(resp, 500 if has_failed else 200, text, nosniff=True)
            else:
                put_plain(resp, 200, b"ok", nosniff=True)

        return respond

    def single(self, check: Check) -> Responder:
        """Make the responder of one check."""

        async def respond(req: Request, resp: falcon.asgi.Response) -> None:
            fault = check.find_fault()
            if fault is None:
                put_plain(resp, 200, b"ok")
            else:
                put_plain(resp, 500, f"internal server error: {fault}\n".encode(), nosniff=True)

        return respond

    def _collection_fault(self) -> str | None:
        return None if self._state.signs.is_collecting() else "metric collection didn't finish on time"

    def _storage_fault(self) -> str | None:
        state = self._state
        if state.needs_metrics:
            nodes, containers = state.latest.counts(state.clock.now_ns())
            is_ready = nodes > 0 and containers > 0
        else:
            is_ready = self._informer_fault() is None
        return None if is_ready else "no metrics to serve"

    def _informer_fault(self) -> str | None:
        signs = self._state.signs
        if not signs.are_nodes_synced():
            return "cache for node informer has not synced"
        return None if signs.are_pods_synced() else "cache for pod informer has not synced"

    def _metadata_fault(self) -> str | None:
        return None if self._state.signs.are_pods_synced() else "cache for pod metadata informer has not synced"

    def _stop_fault(self) -> str | None:
        return "process is shutting down" if self._state.signs.is_stopping() else None


def _nothing() -> None:
    return None
