"""TLS contexts, for asking and for serving.

In      PEM, or paths of PEM files
Out     ssl.SSLContext, TLS 1.2 and up, HTTP/1.1 alone
Callers kube.access for asking; daemon and secure_port for serving
Source  spec/heapster-pipeline.md 3.2 for kubelets; spec/heapster-rest.md B9 for client certificates;
        spec/metrics-k8s-io.md 12 for certificates that change
Never   asks for a passphrase, or names more of a key than its file
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from heapfast.errors import ConfigError

#: X509_V_FLAG_NO_CHECK_TIME, which the ssl module has no name for.
_NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)


def client_context(*, ca_pem: str | None, insecure: bool = False) -> ssl.SSLContext:
    """Make the context that an API server or kubelets are asked with.

    Args:
        ca_pem: PEM of the authorities to trust instead of the machine's own; None for the machine's.
        insecure: take any certificate.

    Raises:
        ssl.SSLError: ca_pem holds no certificate.
    """
    context = ssl.create_default_context(cadata=ca_pem)
    _harden(context)
    # On from Python 3.13, and refuses CAs without a key identifier, which many clusters have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def server_context(
    *, cert_file: str | Path, key_file: str | Path | None = None, client_ca_file: str | Path | None = None
) -> ssl.SSLContext:
    """Make the context that the REST API is served with.

    Args:
        client_ca_file: signs client certificates. They are requested, never required: who may ask
            without one is decided by auth/ (B9). One that another CA signed fails the handshake.

    Raises:
        ConfigError: a file cannot be read or is not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    load_pair(context, cert_file, key_file)
    if client_ca_file is not None:
        _load_ca(context, client_ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


class ServingContext:
    """What a server that asks for client certificates is served with; exchanged while it runs.

    A context can be given more certificates and authorities, but none can be taken away, and a pair of which
    the second file will not do leaves it with half of it. So each change makes a whole new context, and every
    handshake is handed the newest.

    Whoever shows a certificate that no authority signed is cut off in the handshake: the ssl module knows no
    way to go on. (The aggregation layer's reference would, and answer 401.) Whether a certificate is valid now
    is not looked at: it may end while its connection lasts, so auth/ asks that for every request.

    Attributes:
        context: for the server; the same object always.

    Args:
        min_tls: "1.2" or "1.3".
        cipher_suites: OpenSSL's names of what TLS 1.2 may use; () leaves it to OpenSSL.

    Raises:
        ConfigError: a file cannot be read or is not what it should be.
    """

    def __init__(
        self,
        cert_file: str | Path,
        key_file: str | Path,
        *,
        min_tls: str = "1.2",
        cipher_suites: Sequence[str] = (),
    ) -> None:
        self._cert_file = cert_file
        self._key_file = key_file
        self._min_tls = min_tls
        self._cipher_suites = tuple(cipher_suites)
        self._pair = _read_pair(cert_file, key_file)
        self._authorities: tuple[str, ...] = ()
        self._newest = self._make(self._pair, ())
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._restrict(self.context)
        # Taken from this context and not from the newest: how to verify, at a connection's start.
        self.context.verify_flags |= _NO_CHECK_TIME | ssl.VERIFY_X509_PARTIAL_CHAIN
        self.context.sni_callback = self._hand_over

    def reload_pair(self) -> None:
        """Serve new connections with what the files hold now; raises ConfigError, and the old pair stays."""
        pair = _read_pair(self._cert_file, self._key_file)
        self._newest = self._make(pair, self._authorities)
        self._pair = pair

    def trust(self, authorities: Sequence[str]) -> None:
        """Ask new connections for certificates of these authorities; of none at all, ask for none.

        Args:
            authorities: PEM texts, in ASCII.

        Raises:
            ConfigError: one of them is no certificate, and nothing changes.
        """
        texts = tuple(authorities)
        # With the pair as it was read: files that are being replaced must not keep a new authority out.
        self._newest = self._make(self._pair, texts)
        self._authorities = texts
        self.context.verify_mode = ssl.CERT_OPTIONAL if texts else ssl.CERT_NONE

    def _make(self, pair: bytes, authorities: tuple[str, ...]) -> ssl.SSLContext:
        context = _make_serving(pair, authorities)
        self._restrict(context)
        return context

    def _restrict(self, context: ssl.SSLContext) -> None:
        _harden(context)
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
        connection.context = self._newest


def _read_pair(cert_file: str | Path, key_file: str | Path) -> bytes:
    """Certificate and key in one PEM text, which fit each other."""
    # Loaded for the sake of what it says about files that will not do.
    load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), cert_file, key_file)
    return Path(cert_file).read_bytes() + b"\n" + Path(key_file).read_bytes()


def _make_serving(pair: bytes, authorities: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    # The ssl module takes a key from a file only; this one is in memory.
    with os.fdopen(os.memfd_create("pair"), "wb") as file:
        file.write(pair)
        file.flush()
        load_pair(context, f"/proc/self/fd/{file.fileno()}", None)
    for text in authorities:
        try:
            context.load_verify_locations(cadata=text)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(f"cannot use a client CA: want PEM certificates, got none ({error})") from error
    return context


def read_ca(ca_file: str | Path) -> str:
    """PEM of authorities; raises ConfigError."""
    _check_readable("CA", ca_file)
    _load_ca(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ca_file)
    return Path(ca_file).read_text(encoding="ascii", errors="replace")


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])


def _load_ca(context: ssl.SSLContext, ca_file: str | Path) -> None:
    _check_readable("CA", ca_file)
    try:
        context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError as error:
        raise ConfigError(f"cannot use the CA {ca_file}: want PEM certificates, got none ({_why(error)})") from error


def load_pair(context: ssl.SSLContext, cert_file: str | Path, key_file: str | Path | None) -> None:
    """Shows a certificate from now on; raises ConfigError."""
    _check_readable("certificate", cert_file)
    if key_file is not None:
        _check_readable("key", key_file)
    key = key_file if key_file is not None else cert_file

    def refuse_passphrase() -> str:
        # Without this OpenSSL would ask for it on the terminal, and wait.
        raise ConfigError(f"cannot use the key {key}: it is encrypted, want one without a passphrase")

    try:
        context.load_cert_chain(cert_file, key_file, password=refuse_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(f"cannot use the key {key}: it does not belong to the certificate {cert_file}") from error
        raise ConfigError(
            f"cannot use the certificate {cert_file} with the key {key}: want PEM of both ({_why(error)})"
        ) from error


def _check_readable(what: str, path: str | Path) -> None:
    try:
        with Path(path).open("rb"):
            pass
    except OSError as error:
        raise ConfigError(f"cannot read the {what} {path}: {error.strerror}") from error


def _why(error: ssl.SSLError) -> str:
    return (error.reason or "unknown reason").lower().replace("_", " ")
