"""The source: which API server to ask who is there, and how to ask kubelets.

In      the values of --source and of the scraping flags
Out     KubeOptions and ScrapeOptions
Callers config.build
Source  spec/heapster-pipeline.md 3.2 and 3.4 (the deadline); Q18, Q24
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from heapfast.config.findings import Findings
from heapfast.config.options import KubeOptions, ScrapeOptions
from heapfast.config.uris import Uri, parse_uri
from heapfast.config.values import format_duration, parse_bool, parse_int
from heapfast.units import NS_PER_SECOND

SOURCES: dict[str, Literal["summary", "cadvisor"]] = {
    "kubernetes": "cadvisor",
    "kubernetes.summary_api": "summary",
}
DEFAULT_TIMEOUT_NS = 10 * NS_PER_SECOND
MAX_DEADLINE_NS = 20 * NS_PER_SECOND

_DEFAULTS = {
    "inClusterConfig": "true",
    "kubeletPort": "10255",
    "kubeletHttps": "false",
    "insecure": "false",
    "auth": "",
    "useServiceAccount": "false",
    "apiVersion": "v1",
}


def build_source(
    values: Mapping[str, Any], environment: Mapping[str, str], resolution_ns: int, findings: Findings
) -> tuple[KubeOptions, ScrapeOptions]:
    """Reads the one --source; with a fault, the rest is checked against its defaults."""
    uri = _only_source(values["source"], environment, findings)
    for name in uri.options.keys() - _DEFAULTS.keys():
        findings.note("source", f"the option {name!r} is not known and has no effect; known are {', '.join(_DEFAULTS)}")
    kube = _kube(uri, findings)
    return kube, _scrape(uri, values, resolution_ns, kube.insecure, findings)


def _only_source(given: tuple[str, ...], environment: Mapping[str, str], findings: Findings) -> Uri:
    nothing = Uri("kubernetes.summary_api", "", "", "", {})
    if len(given) != 1:
        findings.refuse("source", f"{len(given)} of them", "exactly one")
        return nothing
    try:
        uri = parse_uri(given[0], environment)
    except ValueError as error:
        findings.refuse("source", repr(given[0]), str(error))
        return nothing
    if uri.key not in SOURCES:
        findings.refuse("source", f"the key {uri.key!r}", " or ".join(SOURCES))
        return nothing
    return uri


def _kube(uri: Uri, findings: Findings) -> KubeOptions:
    in_cluster = _bool(uri, "inClusterConfig", findings)
    kubeconfig = uri.options.get("auth", "")
    server = f"{uri.scheme}://{uri.host}" if uri.scheme and uri.host else ""
    if server and uri.scheme not in ("http", "https"):
        findings.refuse("source", f"the scheme {uri.scheme!r}", "http or https")
    if in_cluster and kubeconfig:
        findings.note("source", "the option 'auth' has no effect without inClusterConfig=false")
    if not in_cluster and not kubeconfig and not server:
        findings.refuse("source", "no API server", "a URL such as https://HOST:6443, or the option auth=KUBECONFIG")
    return KubeOptions(
        server=server,
        in_cluster=in_cluster,
        kubeconfig="" if in_cluster else kubeconfig,
        insecure=_bool(uri, "insecure", findings),
        use_service_account=_bool(uri, "useServiceAccount", findings),
    )


def _scrape(
    uri: Uri, values: Mapping[str, Any], resolution_ns: int, insecure: bool, findings: Findings
) -> ScrapeOptions:
    # A batch that waits longer than this would meet the next one.
    deadline_ns = min(MAX_DEADLINE_NS, resolution_ns * 9 // 10)
    timeout_ns = values["scrape-timeout"] or min(DEFAULT_TIMEOUT_NS, resolution_ns // 2)
    for name, span_ns in (("scrape-timeout", timeout_ns), ("scrape-spread", values["scrape-spread"])):
        if not 0 <= span_ns < deadline_ns:
            findings.refuse(
                name,
                format_duration(span_ns),
                f"more than 0s and less than {format_duration(deadline_ns)}, which is how long a batch may wait at a"
                f" resolution of {format_duration(resolution_ns)}",
            )
    if values["max-body-bytes"] < 1:
        findings.refuse("max-body-bytes", values["max-body-bytes"], "at least 1")
    return ScrapeOptions(
        source=SOURCES[uri.key],
        kubelet_port=_kubelet_port(uri, findings),
        kubelet_https=_bool(uri, "kubeletHttps", findings),
        insecure=insecure,
        token_over_http=values["kubelet-token-over-http"],
        timeout_ns=timeout_ns,
        spread_ns=values["scrape-spread"],
        deadline_ns=deadline_ns,
        max_body_bytes=values["max-body-bytes"],
    )


def _bool(uri: Uri, name: str, findings: Findings) -> bool:
    text = uri.options.get(name) or _DEFAULTS[name]
    try:
        return parse_bool(text)
    except ValueError as error:
        findings.refuse("source", f"{name}={text}", str(error))
        return parse_bool(_DEFAULTS[name])


def _kubelet_port(uri: Uri, findings: Findings) -> int:
    text = uri.options.get("kubeletPort") or _DEFAULTS["kubeletPort"]
    try:
        port = parse_int(text)
    except ValueError:
        port = 0
    if not 1 <= port <= 65535:
        findings.refuse("source", f"kubeletPort={text}", "a port from 1 to 65535")
    return port
