"""How the API server is reached: address, trust and credentials in one value.

In      what config.resolve found out
Out     ApiAccess: URL, TLS context, bearer token of the moment
Callers client; the kubelet client, which trusts the same CA and shows the same credentials
Source  spec/heapster-pipeline.md 3.2
Never   shows a secret in a text or a repr; leaves a key on disk
"""

from __future__ import annotations

import ssl
import tempfile
from functools import cached_property

import msgspec

from heapfast.kube.credentials import ClientCertificate, Credentials
from heapfast.tls import client_context


class ApiAccess(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """Where the API server is, whom it is taken for, and who we are.

    Attributes:
        server: scheme, host and port, and perhaps a path, without a slash at the end.
        ca_pem: what must have signed the server's certificate; None for the machine's own list.
        insecure: take any certificate.
        tls_server_name: name to expect in the certificate instead of the URL's; None for the URL's.
        proxy: URL of the proxy that leads there, None for none.
        source: where this comes from, for logs: "in-cluster", "kubeconfig PATH" or "anonymous".
    """

    server: str
    ca_pem: str | None = None
    insecure: bool = False
    tls_server_name: str | None = None
    proxy: str | None = None
    source: str = "anonymous"
    credentials: Credentials = msgspec.field(default_factory=Credentials)

    def __repr__(self) -> str:
        return f"ApiAccess({self.server!r}, {self.source})"

    def token(self) -> str | None:
        """The bearer token of this moment. Cheap, never waits; loop only."""
        return self.credentials.token()

    def ssl_context(self) -> ssl.SSLContext:
        """The TLS side of it: the same object each time, also after a certificate was renewed.

        Raises:
            OSError: (or its child ssl.SSLError) the CA or the client certificate is none.
        """
        return self._ssl_context

    async def refresh(self, *, refused: bool = False) -> bool:
        """Replace credentials that are about to end, or that were refused with a 401.

        Returns:
            True when there is something new to try.
        """
        changed = await self.credentials.refresh(refused=refused)
        certificate = self.credentials.certificate()
        if changed and certificate is not None:
            for context in (self._ssl_context, *self._kubelet_contexts):
                _load_certificate(context, certificate)  # counts from the next connection on
        return changed

    def kubelet_context(self, *, insecure: bool, ca_pem: str | None = None) -> ssl.SSLContext:
        """A context for kubelets: the same CA and client certificate, and the same care for renewed ones.

        Args:
            ca_pem: what must have signed kubelets' certificates instead of the API server's CA.
            insecure: take any certificate. Without a CA any is taken as well, as Heapster did: the
                machine's own list has never signed a kubelet's.
        """
        ca_pem = ca_pem or self.ca_pem
        context = self._make_context(insecure=insecure or ca_pem is None, ca_pem=ca_pem)
        self._kubelet_contexts.append(context)
        return context

    @cached_property
    def _kubelet_contexts(self) -> list[ssl.SSLContext]:
        return []

    @cached_property
    def _ssl_context(self) -> ssl.SSLContext:
        return self._make_context(insecure=self.insecure, ca_pem=self.ca_pem)

    def _make_context(self, *, insecure: bool, ca_pem: str | None) -> ssl.SSLContext:
        context = client_context(ca_pem=ca_pem, insecure=insecure)
        certificate = self.credentials.certificate()
        if certificate is not None:
            _load_certificate(context, certificate)
        return context


def _load_certificate(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    # The ssl module takes a key from a file only. This one is ours alone (0600) and gone at once.
    with tempfile.NamedTemporaryFile("w", encoding="ascii", prefix="heapfast-", suffix=".pem") as file:
        file.write(f"{certificate.certificate_pem}\n{certificate.key_pem}\n")
        file.flush()
        context.load_cert_chain(file.name)
