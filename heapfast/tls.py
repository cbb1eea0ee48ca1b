"""TLS contexts, for asking kubelets and for serving.

In      paths of PEM files
Out     ssl.SSLContext, TLS 1.2 and up, HTTP/1.1 alone
Callers daemon
Source  spec/heapster-pipeline.md 3.2 for kubelets; spec/heapster-rest.md B9 for client certificates
Never   asks for a passphrase, or names more of a key than its file
"""

from __future__ import annotations

import ssl
from pathlib import Path

from heapfast.errors import ConfigError


def client_context(
    *,
    ca_file: str | Path | None = None,
    cert_file: str | Path | None = None,
    key_file: str | Path | None = None,
    insecure: bool = False,
    check_hostname: bool = True,
) -> ssl.SSLContext:
    """Make the context that kubelets are asked with.

    Args:
        ca_file: certificates to trust instead of the machine's own; None for the machine's.
        cert_file: client certificate; None for none.
        key_file: its key; None when it is in cert_file.
        insecure: take any certificate. The CA is not read then.
        check_hostname: the certificate must name the address that was dialled. Kubelets that sign
            their certificates themselves name the node, and not its address.

    Raises:
        ConfigError: a file cannot be read or is not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.check_hostname = check_hostname
        _load_ca(context, ca_file)
    if cert_file is not None:
        _load_pair(context, cert_file, key_file)
    elif key_file is not None:
        raise ConfigError(f"cannot use the key {key_file}: got no certificate, want both")
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
    _load_pair(context, cert_file, key_file)
    if client_ca_file is not None:
        _load_ca(context, client_ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])


def _load_ca(context: ssl.SSLContext, ca_file: str | Path | None) -> None:
    if ca_file is None:
        context.load_default_certs()
        return
    _check_readable("CA", ca_file)
    try:
        context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError as error:
        raise ConfigError(f"cannot use the CA {ca_file}: want PEM certificates, got none ({_why(error)})") from error


def _load_pair(context: ssl.SSLContext, cert_file: str | Path, key_file: str | Path | None) -> None:
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
