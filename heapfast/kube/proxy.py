"""Which proxy leads to a server, by the environment's rules.

In      environment variables, the server's URL
Out     the proxy's URL, or None for a direct connection
Callers config
Source  HTTPS_PROXY, HTTP_PROXY and NO_PROXY as Kubernetes' own clients read them
Never   looks into .netrc; reads the environment of the process by itself

Why not the HTTP library's own: it does not know networks in NO_PROXY. Clusters behind a
corporate proxy list their service network there ("10.96.0.0/12"), and the API server's
address inside the cluster is one of them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """Find the proxy for a URL; None means that none is to be used."""
    parts = urlsplit(url)
    proxy = _variable(environ, f"{parts.scheme}_proxy")
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if not proxy or _is_local(host) or _is_exempt(host, port, _variable(environ, "no_proxy")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name.upper()) or environ.get(name) or ""


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_local(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _is_exempt(host: str, port: int, no_proxy: str) -> bool:
    return any(_matches(rule.strip().lower(), host.lower(), port) for rule in no_proxy.split(","))


def _matches(rule: str, host: str, port: int) -> bool:
    """Hold a host against one entry: "*", a network, an address or a domain, the latter two with or without port."""
    if rule == "*":
        return True
    address = _address(host)
    if "/" in rule:
        try:
            return address is not None and address in ipaddress.ip_network(rule, strict=False)
        except ValueError:
            return False
    if _address(rule.strip("[]")) is None and ":" in rule:
        rule, _, rule_port = rule.rpartition(":")
        if rule_port != str(port):
            return False
    rule = rule.strip("[]")
    if not rule:
        return False
    if address is not None:
        return address == _address(rule)
    domain = rule.removeprefix("*").removeprefix(".")
    return host.endswith(f".{domain}") or host == rule  # ".x.org" and "*.x.org" leave x.org itself out
