"""Who may ask on the secure port, as far as flags say it and the cluster does not.

In      the --authentication-..., --authorization-... and --requestheader-... flags, --client-ca-file
Out     AuthOptions
Callers config.build
Source  spec/metrics-k8s-io.md 11 and 17
Never   opens a file
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heapfast.config.argv import Arguments
from heapfast.config.findings import Findings
from heapfast.config.options import AuthOptions, RequestHeaderOptions

_HEADER_FLAGS = (
    "requestheader-username-headers",
    "requestheader-uid-headers",
    "requestheader-group-headers",
    "requestheader-extra-headers-prefix",
)


def build_auth(arguments: Arguments, findings: Findings) -> AuthOptions:
    """Reads and checks them all."""
    values = arguments.values
    findings.check_durations(
        values,
        "authentication-token-webhook-cache-ttl",
        "authorization-webhook-cache-authorized-ttl",
        "authorization-webhook-cache-unauthorized-ttl",
    )
    for path in values["authorization-always-allow-paths"]:
        if not path.startswith(("/", "*")):
            findings.refuse("authorization-always-allow-paths", repr(path), "paths that begin with /")
    return AuthOptions(
        authentication_kubeconfig=values["authentication-kubeconfig"],
        authorization_kubeconfig=values["authorization-kubeconfig"],
        skips_lookup=values["authentication-skip-lookup"],
        tolerates_lookup_failure=values["authentication-tolerate-lookup-failure"],
        client_ca_file=values["client-ca-file"],
        request_header=_request_header(arguments, findings),
        always_allow_paths=tuple(values["authorization-always-allow-paths"]),
        token_ttl_ns=values["authentication-token-webhook-cache-ttl"],
        authorized_ttl_ns=values["authorization-webhook-cache-authorized-ttl"],
        unauthorized_ttl_ns=values["authorization-webhook-cache-unauthorized-ttl"],
    )


def _request_header(arguments: Arguments, findings: Findings) -> RequestHeaderOptions | None:
    values = arguments.values
    if not values["requestheader-client-ca-file"]:
        for name in ("requestheader-allowed-names", *_HEADER_FLAGS):
            if name in arguments.given:
                findings.note(name, "has no effect without --requestheader-client-ca-file: the cluster's setting holds")
        return None
    usernames = _header_names(values, "requestheader-username-headers", findings)
    if not usernames:
        findings.refuse("requestheader-username-headers", "nothing", "a header that names the user")
    return RequestHeaderOptions(
        ca_file=values["requestheader-client-ca-file"],
        allowed_names=tuple(values["requestheader-allowed-names"]),
        username_headers=usernames,
        uid_headers=_header_names(values, "requestheader-uid-headers", findings),
        group_headers=_header_names(values, "requestheader-group-headers", findings),
        extra_prefixes=_header_names(values, "requestheader-extra-headers-prefix", findings),
    )


def _header_names(values: Mapping[str, Any], name: str, findings: Findings) -> tuple[str, ...]:
    names = tuple(one.strip().lower() for one in values[name])
    # An empty prefix would take every header, Authorization too, for something known of the user.
    if not all(names):
        findings.refuse(name, repr(",".join(values[name])), "names, none of them empty")
    return names
