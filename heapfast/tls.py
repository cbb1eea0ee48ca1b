"""TLS contexts, for asking and for serving.

In      PEM, or paths of PEM files
Out     ssl.SSLContext, TLS 1.2 and up, HTTP/1.1 alone
Callers kube.access for asking; daemon and serving for serving, the latter exchanging contexts while it does
Source  spec/heapster-pipeline.md 3.2 for kubelets; spec/heapster-rest.md B9 for client certificates
Never   asks for a passphrase, or names more of a key than its file
"""

from __future__ import annotations

import ssl
from pathlib import Path

from heapfast.errors import ConfigError


def client_context(*, ca_pem: str | None, insecure: bool = False) -> ssl.SSLContext:
    """Make the context that an API server or kubelets are asked with.

    Args:
        ca_pem: PEM of the authorities to trust instead of the machine's own; None for the machine's.
        insecure: take any certificate.

    Raises:
        ssl.SSLError: ca_pem holds no certificate.
    """
    context = ssl.create_default_context(cadata=ca_pem)
    harden(context)
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
    harden(context)
    load_pair(context, cert_file, key_file)
    if client_ca_file is not None:
        _load_ca(context, client_ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def read_ca(ca_file: str | Path) -> str:
    """PEM of authorities; raises ConfigError."""
    _check_readable("CA", ca_file)
    _load_ca(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ca_file)
    return Path(ca_file).read_text(encoding="ascii", errors="replace")


def harden(context: ssl.SSLContext) -> None:
    """Takes from a context what nothing here speaks: old versions of TLS, and HTTP/2."""
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
