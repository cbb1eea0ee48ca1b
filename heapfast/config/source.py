"""Sources: which API server to ask who is there, and what to ask kubelets for.

In      --source, --kubeconfig and the flags that say how kubelets are asked
Out     KubeOptions and ScrapeOptions
Callers config.build
Source  spec/heapster-pipeline.md 3.2 and 3.4 (the deadline); Q18, Q24; spec/metrics-k8s-io.md 14.3 to 14.5 and 17

What the source's URL says beats flags, and flags beat what its key means by default. No --source at all is
kubernetes.resource, and the API server is where --kubeconfig or the service account says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from heapfast.config.argv import Arguments
from heapfast.config.findings import Findings
from heapfast.config.flags import FLAGS
from heapfast.config.options import KubeOptions, ScrapeOptions
from heapfast.config.patience import build_patience
from heapfast.config.resolution import Resolutions
from heapfast.config.uris import Uri, parse_uri
from heapfast.config.values import parse_bool, parse_int


class _Key(NamedTuple):
    """What a key means, where neither URL nor flags say something else."""

    kind: Literal["summary", "cadvisor", "resource"]
    kubelet_port: int
    kubelet_https: bool


#: The first two are Heapster's, with its defaults; /metrics/resource was never served without TLS.
KEYS = {
    "kubernetes": _Key("cadvisor", 10255, False),
    "kubernetes.summary_api": _Key("summary", 10255, False),
    "kubernetes.resource": _Key("resource", FLAGS["kubelet-port"].default, True),
}
RESOURCE = Uri("kubernetes.resource", "", "", "", ())
#: What may be scraped together: CPU and working sets from the former, all else from the latter.
PAIR = ("kubernetes.resource", "kubernetes.summary_api")

KNOWN_OPTIONS = (
    "inClusterConfig",
    "kubeletPort",
    "kubeletHttps",
    "insecure",
    "auth",
    "useServiceAccount",
    "apiVersion",
    "resolution",
)
#: Those that say where the API server is, and who we are to it.
SERVER_OPTIONS = ("inClusterConfig", "auth")


def read_sources(arguments: Arguments, environment: Mapping[str, str], findings: Findings) -> list[Uri]:
    """Reads --source; the main source comes first, and of those that do not go together only one."""
    read = [_read(text, environment, findings) for text in arguments.values["source"]]
    uris = [uri for uri in read if uri is not None]
    for uri in uris:
        _check_options(uri, findings)
    if len(read) < 2 or len(uris) < len(read):
        return uris[:1]
    if sorted(uri.key for uri in uris) != list(PAIR):
        findings.refuse("source", " and ".join(uri.key for uri in uris), f"one, or {' and '.join(PAIR)}")
        return uris[:1]
    uris.sort(key=lambda uri: PAIR.index(uri.key))
    return uris


def build_source(
    uris: Sequence[Uri], arguments: Arguments, resolutions: Resolutions, findings: Findings
) -> tuple[KubeOptions, ScrapeOptions]:
    """Says what they are; where reading failed, something is there all the same, to check the other flags with."""
    uri = _joined(uris, findings) if uris else RESOURCE
    kube = _kube(uri, arguments, findings)
    return kube, _scrape(uri, kube, arguments, resolutions, findings)


def _joined(uris: Sequence[Uri], findings: Findings) -> Uri:
    """One URI of both: there is one API server, and a node has one connection. What either says holds for both."""
    first, *others = uris
    for other in others:
        for name in ("scheme", "host"):
            one, two = getattr(first, name), getattr(other, name)
            if one and two and one != two:
                findings.refuse("source", f"the {name}s {one!r} and {two!r}", "one API server")
            first = first._replace(**{name: one or two})
        for name, text in other.options.items():
            if name != "resolution" and first.options.get(name, text) != text:
                got = f"{name}={first.options[name]} and {name}={text}"
                findings.refuse("source", got, "one: there is one API server, and a node is asked over one connection")
        first = first._replace(pairs=(*first.pairs, *other.pairs))
    return first


def _read(text: str, environment: Mapping[str, str], findings: Findings) -> Uri | None:
    try:
        uri = parse_uri(text, environment)
    except ValueError as error:
        findings.refuse("source", repr(text), str(error))
        return None
    if uri.key not in KEYS:
        findings.refuse("source", f"the key {uri.key!r}", ", ".join(KEYS))
        return None
    return uri


def _check_options(uri: Uri, findings: Findings) -> None:
    for name in uri.options:
        if name not in KNOWN_OPTIONS:
            known = ", ".join(KNOWN_OPTIONS)
            findings.note("source", f"the option {name!r} is not known and has no effect; known are {known}")


def _kube(uri: Uri, arguments: Arguments, findings: Findings) -> KubeOptions:
    server = f"{uri.scheme}://{uri.host}" if uri.scheme and uri.host else ""
    if server and uri.scheme not in ("http", "https"):
        findings.refuse("source", f"the scheme {uri.scheme!r}", "http or https")
    insecure = _bool(uri, "insecure", False, findings)
    use_service_account = _bool(uri, "useServiceAccount", False, findings)
    in_cluster = _bool(uri, "inClusterConfig", True, findings)
    kubeconfig = uri.options.get("auth", "")
    if flag := arguments.values["kubeconfig"]:
        if server or any(uri.options.get(name) for name in SERVER_OPTIONS):
            findings.refuse("kubeconfig", repr(flag), "nothing, where the URL of --source says where the API server is")
        in_cluster, kubeconfig = False, flag
    if in_cluster and kubeconfig:
        findings.note("source", "the option 'auth' has no effect without inClusterConfig=false")
    if not in_cluster and not kubeconfig and not server:
        findings.refuse("source", "no API server", "a URL such as https://HOST:6443, or the option auth=KUBECONFIG")
    return KubeOptions(
        server=server,
        in_cluster=in_cluster,
        kubeconfig="" if in_cluster else kubeconfig,
        insecure=insecure,
        use_service_account=use_service_account,
    )


def _scrape(
    uri: Uri, kube: KubeOptions, arguments: Arguments, resolutions: Resolutions, findings: Findings
) -> ScrapeOptions:
    values, key = arguments.values, KEYS[uri.key]
    patience = build_patience(arguments, resolutions.tick_ns, findings)
    without_tls = values["deprecated-kubelet-completely-insecure"]
    https = _bool(uri, "kubeletHttps", key.kubelet_https and not without_tls, findings)
    if https and without_tls:
        findings.refuse("deprecated-kubelet-completely-insecure", "true", "false, where --source has kubeletHttps=true")
    return ScrapeOptions(
        kind=key.kind,
        side_resolution_ns=resolutions.side_ns,
        kubelet_port=_kubelet_port(uri, key, arguments, findings),
        kubelet_https=https,
        insecure=kube.insecure or values["kubelet-insecure-tls"],
        token_over_http=values["kubelet-token-over-http"],
        timeout_ns=patience.timeout_ns,
        spread_ns=patience.spread_ns,
        deadline_ns=patience.deadline_ns,
        max_body_bytes=values["max-body-bytes"],
    )


def _bool(uri: Uri, name: str, default: bool, findings: Findings) -> bool:
    text = uri.options.get(name)
    if not text:
        return default
    try:
        return parse_bool(text)
    except ValueError as error:
        findings.refuse("source", f"{name}={text}", str(error))
        return default


def _kubelet_port(uri: Uri, key: _Key, arguments: Arguments, findings: Findings) -> int:
    text = uri.options.get("kubeletPort")
    if not text:
        given = "kubelet-port" in arguments.given
        return int(arguments.values["kubelet-port"]) if given else key.kubelet_port
    try:
        port = parse_int(text)
    except ValueError:
        port = 0
    if not 1 <= port <= 65535:
        findings.refuse("source", f"kubeletPort={text}", "a port from 1 to 65535")
    return port
