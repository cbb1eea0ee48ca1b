"""The secure port: where it listens, and with which certificates.

In      metrics-server's flags of it; Heapster had most of them too, for its --api-server
Out     SecureOptions, None when the port is closed
Callers config.build
Source  spec/metrics-k8s-io.md 12 and 17, spec/heapster-rest.md 12
Never   opens a file
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Literal

from heapfast.config.argv import Arguments
from heapfast.config.cipher_suites import CIPHER_SUITES
from heapfast.config.findings import Findings
from heapfast.config.options import SecureOptions, SniPair

_TLS_VERSIONS: dict[str, Literal["1.2", "1.3"]] = {"": "1.2", "VersionTLS12": "1.2", "VersionTLS13": "1.3"}
_OLD_TLS_VERSIONS = ("VersionTLS10", "VersionTLS11")


def build_secure(arguments: Arguments, findings: Findings) -> SecureOptions | None:
    """Reads and checks every flag of the port, also while it is closed."""
    values = arguments.values
    port = _port(arguments)
    findings.check_port("secure-port", port, least=0)
    if values["api-server"]:
        findings.refuse(
            "api-server",
            "true",
            "false: /apis/metrics/v1alpha1 is served on --heapster-port, and --secure-port opens metrics.k8s.io",
        )
    findings.check_pair(values, "tls-cert-file", "tls-private-key-file")
    findings.check_not_negative("max-requests-inflight", values["max-requests-inflight"])
    findings.check_durations(values, "shutdown-delay-duration", "request-timeout")
    options = SecureOptions(
        bind_address=_address(values["bind-address"], findings),
        port=port,
        cert_file=values["tls-cert-file"],
        key_file=values["tls-private-key-file"],
        cert_dir=values["cert-dir"],
        sni=tuple(pair for text in values["tls-sni-cert-key"] for pair in _sni_pairs(text, findings)),
        min_tls=_min_tls(values["tls-min-version"], findings),
        cipher_suites=_cipher_suites(values["tls-cipher-suites"], findings),
        max_requests=values["max-requests-inflight"],
        request_timeout_ns=values["request-timeout"],
        shutdown_delay_ns=values["shutdown-delay-duration"],
        enable_custom_metrics=values["enable-custom-metrics"],
    )
    return options if port else None


def _port(arguments: Arguments) -> int:
    """The port, 0 when it is closed: a daemon that was asked to be Heapster opens none that it did not have."""
    is_open = "source" not in arguments.given or "secure-port" in arguments.given
    return int(arguments.values["secure-port"]) if is_open else 0


def _address(text: str, findings: Findings) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        findings.refuse("bind-address", repr(text), "an IP address, 0.0.0.0 or :: for all")
        return text


def _sni_pairs(text: str, findings: Findings) -> Iterable[SniPair]:
    # As in Kubernetes, one flag may carry several, separated by semicolons.
    for one in text.split(";"):
        files, _, names = one.partition(":")
        cert_file, _, key_file = (part.strip() for part in files.partition(","))
        if not cert_file or not key_file or "," in key_file:
            findings.refuse("tls-sni-cert-key", repr(one), "CERT,KEY or CERT,KEY:NAME,...")
            continue
        yield SniPair(
            cert_file=cert_file,
            key_file=key_file,
            names=tuple(name.strip().lower() for name in names.split(",") if name.strip()),
        )


def _min_tls(text: str, findings: Findings) -> Literal["1.2", "1.3"]:
    if text in _OLD_TLS_VERSIONS:
        findings.note("tls-min-version", "heapfast speaks nothing older than VersionTLS12")
    elif text not in _TLS_VERSIONS:
        findings.refuse("tls-min-version", repr(text), "VersionTLS12 or VersionTLS13")
    return _TLS_VERSIONS.get(text, "1.2")


def _cipher_suites(names: Iterable[str], findings: Findings) -> tuple[str, ...]:
    for name in names:
        if name not in CIPHER_SUITES:
            wanted = ", ".join(suite for suite, openssl in CIPHER_SUITES.items() if openssl)
            findings.refuse("tls-cipher-suites", repr(name), f"one of {wanted}")
    return tuple(openssl for name in names if (openssl := CIPHER_SUITES.get(name)))
