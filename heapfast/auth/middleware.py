"""Client certificates in front of every route but the probes.

In      the ASGI scope's TLS extension, which the host fills
Out     401 or 403 as text, or nothing
Callers Falcon, before routing
Source  spec/heapster-rest.md 11.5
Never   lets a request without a certificate through because something failed
"""

from __future__ import annotations

from typing import Any

from heapfast.auth.client_cert import ClientRefused, ClientRule
from heapfast.clock import Clock

#: Probes carry no certificate.
OPEN_PATHS = frozenset(("/healthz", "/healthz/healthz", "/livez", "/readyz"))


class ClientCertMiddleware:
    """Falcon middleware that applies a ClientRule."""

    def __init__(self, rule: ClientRule, clock: Clock) -> None:
        self._rule = rule
        self._clock = clock

    async def process_request(self, req: Any, resp: Any) -> None:
        if req.path in OPEN_PATHS:
            return
        tls = req.scope.get("extensions", {}).get("tls", {})
        chain = tls.get("client_cert_chain", ())
        try:
            self._rule.check(chain[0] if chain else None, self._clock.now_ns())
        except ClientRefused as refusal:
            resp.status = refusal.status
            resp.content_type = "text/plain; charset=utf-8"
            resp.set_header("x-content-type-options", "nosniff")
            resp.data = f"{refusal}\n".encode()
            resp.complete = True
