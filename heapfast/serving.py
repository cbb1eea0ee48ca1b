"""The TLS side of a port whose certificates, and whose clients' authorities, change while it is open.

In      paths of PEM files; PEM of authorities
Out     ServingContext: one ssl.SSLContext for the server, behind which the newest ones stand
Callers secure_port; file_watch and auth/ through it
Source  spec/metrics-k8s-io.md 12
Never   lets go of what it serves with for files that will not do
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

from heapfast.errors import ConfigError
from heapfast.tls import harden, load_pair

#: X509_V_FLAG_NO_CHECK_TIME, which the ssl module has no name for.
_NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)

#: Stands for every name that no pair is for, and for clients that state none.
_ANY: Final = ""


class Pair(NamedTuple):
    """Where a certificate and its key are.

    Attributes:
        names: host names that it is shown to, "*.example.com" for all of one level below; () takes those
            that the certificate states.
    """

    cert_file: str | Path
    key_file: str | Path
    names: tuple[str, ...] = ()


class _Loaded(NamedTuple):
    """A pair as it was read: both in one PEM text, and the names in lower case."""

    pem: bytes
    names: tuple[str, ...]


class ServingContext:
    """What a server that asks for client certificates is served with; exchanged while it runs.

    A context can be given more certificates and authorities, but none can be taken away, and a pair of which
    the second file will not do leaves it with half of it. So each change makes whole new contexts, and every
    handshake is handed the newest for its name.

    Whoever shows a certificate that no authority signed is cut off in the handshake: the ssl module knows no
    way to go on. (The aggregation layer's reference would, and answer 401.) Whether a certificate is valid now
    is not looked at: it may end while its connection lasts, so auth/ asks that for every request.

    Attributes:
        context: for the server; the same object always.
        files: of all pairs.

    Args:
        pair: for everybody; its names do not count.
        named: further pairs for clients that ask for their names; where two are for one, the first counts.
        min_tls: "1.2" or "1.3".
        cipher_suites: OpenSSL's names of what TLS 1.2 may use; () leaves it to OpenSSL.

    Raises:
        ConfigError: a file cannot be read or is not what it should be.
    """

    def __init__(
        self, pair: Pair, named: Sequence[Pair] = (), *, min_tls: str = "1.2", cipher_suites: Sequence[str] = ()
    ) -> None:
        self.files = tuple(Path(file) for one in (pair, *named) for file in (one.cert_file, one.key_file))
        self._pairs = (pair._replace(names=(_ANY,)), *named)
        self._min_tls = min_tls
        self._cipher_suites = tuple(cipher_suites)
        self._loaded = [_load(one) for one in self._pairs]
        self._authorities: tuple[str, ...] = ()
        self._newest = self._make(self._loaded, ())
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._restrict(self.context)
        # Taken from this context and not from the newest: how to verify, at a connection's start.
        self.context.verify_flags |= _NO_CHECK_TIME | ssl.VERIFY_X509_PARTIAL_CHAIN
        self.context.sni_callback = self._hand_over

    def reload(self) -> None:
        """Serve new connections with what the files hold now; raises ConfigError, and all old pairs stay."""
        loaded = [_load(one) for one in self._pairs]
        self._newest = self._make(loaded, self._authorities)
        self._loaded = loaded

    def trust(self, authorities: Sequence[str]) -> None:
        """Ask new connections for certificates of these authorities; of none at all, ask for none.

        Args:
            authorities: PEM texts, in ASCII.

        Raises:
            ConfigError: one of them is no certificate, and nothing changes.
        """
        texts = tuple(authorities)
        # With the pairs as they were read: files that are being replaced must not keep a new authority out.
        self._newest = self._make(self._loaded, texts)
        self._authorities = texts
        self.context.verify_mode = ssl.CERT_OPTIONAL if texts else ssl.CERT_NONE

    def _make(self, loaded: Iterable[_Loaded], authorities: tuple[str, ...]) -> dict[str, ssl.SSLContext]:
        contexts: dict[str, ssl.SSLContext] = {}
        for pem, names in loaded:
            context = _make_context(pem, authorities)
            self._restrict(context)
            for name in names:
                contexts.setdefault(name, context)
        return contexts

    def _restrict(self, context: ssl.SSLContext) -> None:
        harden(context)
        if self._min_tls == "1.3":
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        if self._cipher_suites:
            try:
                context.set_ciphers(":".join(self._cipher_suites))
            except ssl.SSLError as error:
                raise ConfigError(
                    f"--tls-cipher-suites: OpenSSL takes none of {', '.join(self._cipher_suites)}"
                ) from error

    def _hand_over(
        self, connection: ssl.SSLSocket | ssl.SSLObject, server_name: str | None, context: ssl.SSLContext
    ) -> None:
        # Called for every handshake, also of clients that state no name.
        name = (server_name or _ANY).lower().rstrip(".")
        above = f"*.{name.partition('.')[2]}"
        newest = self._newest
        connection.context = newest.get(name) or newest.get(above) or newest[_ANY]


def _load(pair: Pair) -> _Loaded:
    # Loaded for the sake of what it says about files that will not do, or do not fit each other.
    load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), pair.cert_file, pair.key_file)
    certificates = Path(pair.cert_file).read_bytes()
    names = pair.names or _stated_names(certificates)
    return _Loaded(certificates + b"\n" + Path(pair.key_file).read_bytes(), tuple(name.lower() for name in names))


def _stated_names(certificates: bytes) -> tuple[str, ...]:
    """The names that the first certificate of a PEM text is for."""
    certificate = x509.load_pem_x509_certificate(certificates)
    common = [str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    try:
        alternative = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except x509.ExtensionNotFound:
        return tuple(common)
    assert isinstance(alternative, x509.SubjectAlternativeName)
    return (*common, *alternative.get_values_for_type(x509.DNSName))


def _make_context(pem: bytes, authorities: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The ssl module takes a key from a file only; this one is in memory.
    with os.fdopen(os.memfd_create("pair"), "wb") as file:
        file.write(pem)
        file.flush()
        load_pair(context, f"/proc/self/fd/{file.fileno()}", None)
    for text in authorities:
        try:
            context.load_verify_locations(cadata=text)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(f"cannot use a client CA: want PEM certificates, got none ({error})") from error
    return context
