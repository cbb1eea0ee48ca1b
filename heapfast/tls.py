"""TLS contexts, for asking and for serving.

In      PEM, or paths of PEM files
Out     ssl.SSLContext, TLS 1.2 and up, HTTP/1.1 alone
Callers kube.access for asking; scrape/_http.pyx for reading ahead, and with scrape/_openssl.pyx for what OpenSSL itself
        knows; daemon and serving for serving, the latter exchanging contexts while it does
Source  spec/heapster-pipeline.md 3.2 for kubelets; spec/heapster-rest.md B9 for client certificates
Never   asks for a passphrase, or names more of a key than its file
"""

from __future__ import annotations

import _ssl
import ctypes
import ssl
import sys
from pathlib import Path
from typing import Final

from heapfast.errors import ConfigError

#: What OpenSSL takes from a socket in one read: a body of 30 pods, or the longest record three times over.
READ_AHEAD_BYTES: Final = 64 * 1024
#: Where an SSLContext begins with the address of OpenSSL's own context, and what an SSLSocket wraps has that of its
#: connection second, by Modules/_ssl.c.
OPENSSL_VERSIONS: Final = frozenset(((3, 11), (3, 12), (3, 13), (3, 14)))

# Of openssl/ssl.h.
_SSL_CTRL_GET_READ_AHEAD: Final = 40
_SSL_CTRL_SET_READ_AHEAD: Final = 41


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


def read_ahead(context: ssl.SSLContext) -> bool:
    """Has OpenSSL read as much as its buffer takes from a socket, in place of one record in two reads.

    Go's servers send a record for 4 KB, so that a body of 32 KB takes 19 reads without this and one with it. The ssl
    module has no way to ask for it.

    Whoever reads a socket of the context must read until nothing is left: the rest is in OpenSSL's buffer, where
    nobody who waits for the socket sees it.

    Returns:
        Whether it is so now.
    """
    found = _find(context, "SSL_CTX_ctrl", "SSL_CTX_set_default_read_buffer_len")
    if found is None:
        return False
    address, (control, set_buffer) = found
    control.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
    control.restype = ctypes.c_long
    set_buffer.argtypes, set_buffer.restype = [ctypes.c_void_p, ctypes.c_size_t], None
    control(address, _SSL_CTRL_SET_READ_AHEAD, 1, None)
    set_buffer(address, READ_AHEAD_BYTES)
    return bool(control(address, _SSL_CTRL_GET_READ_AHEAD, 0, None) == 1)


def find_functions(context: ssl.SSLContext, *names: str) -> tuple[int, ...] | None:
    """Addresses of OpenSSL's own functions, of the library that made a context; None where they are not known."""
    found = _find(context, *names)
    return None if found is None else tuple(ctypes.cast(function, ctypes.c_void_p).value or 0 for function in found[1])


def find_connection(connected: ssl.SSLSocket, context: ssl.SSLContext) -> int:
    """The address of OpenSSL's own connection, which is there until the socket is closed; 0 where it is not known.

    Args:
        context: made the socket; one for which `find_functions` has found something.
    """
    wrapped = connected._sslobj  # type: ignore[attr-defined]
    if not isinstance(wrapped, _ssl._SSLSocket):  # type: ignore[attr-defined]
        return 0
    # A reference to the socket, the address, the context: the third tells that the second is what it is taken for.
    start, word = id(wrapped) + object.__basicsize__, ctypes.sizeof(ctypes.c_void_p)
    return _word_of(start + word) if _word_of(start + 2 * word) == id(context) else 0


def _find(context: ssl.SSLContext, *names: str) -> tuple[int, list[ctypes._NamedFuncPointer]] | None:
    """OpenSSL's own context, and functions of that library; None where they are not known.

    The address of the context is read from the object here, where it has lain first in all CPythons of
    OPENSSL_VERSIONS. Elsewhere nothing is done with it, and all works as well, for more CPU.
    """
    file = getattr(_ssl, "__file__", None)  # None where Python and OpenSSL are one binary, without symbols
    if sys.implementation.name != "cpython" or sys.version_info[:2] not in OPENSSL_VERSIONS or file is None:
        return None
    try:
        openssl = ctypes.CDLL(file)  # through which the very library is found that made the context
        get_options = openssl.SSL_CTX_get_options
        functions = [getattr(openssl, name) for name in names]
    except (OSError, AttributeError):
        return None
    get_options.argtypes, get_options.restype = [ctypes.c_void_p], ctypes.c_uint64
    address = _word_of(id(context) + object.__basicsize__)
    return (address, functions) if get_options(address) == int(context.options) else None


def _word_of(address: int) -> int:
    return ctypes.c_void_p.from_address(address).value or 0


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
