"""What holds for kubelets whatever they are asked for: which nodes, which address, which certificates.

In      metrics-server's --kubelet-... flags and --node-selector
Out     KubeletOptions
Callers config.build
Source  spec/metrics-k8s-io.md 14.2, 14.3 and 17
Never   opens a file
"""

from __future__ import annotations

from heapfast.config.argv import Arguments
from heapfast.config.findings import Findings
from heapfast.config.options import KubeletOptions
from heapfast.errors import QueryError
from heapfast.query._selector import parse_selector
from heapfast.scrape.shard import Shard, parse_shard

ADDRESS_TYPES = ("Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP", "LegacyHostIP")

#: Each excludes those that follow.
_EXCLUSIONS = (
    (
        "deprecated-kubelet-completely-insecure",
        (
            "kubelet-insecure-tls",
            "kubelet-certificate-authority",
            "kubelet-client-certificate",
            "kubelet-client-key",
            "kubelet-token-over-http",
        ),
    ),
    ("kubelet-insecure-tls", ("kubelet-certificate-authority",)),
)


def build_kubelets(arguments: Arguments, findings: Findings) -> KubeletOptions:
    """Reads and checks them all."""
    values = arguments.values
    for name, excluded in _EXCLUSIONS:
        for other in excluded:
            if values[name] and values[other]:
                findings.refuse(other, "it", f"--{name} or this, not both")
    findings.check_pair(values, "kubelet-client-certificate", "kubelet-client-key")
    findings.check_port("kubelet-port", values["kubelet-port"], least=1)
    return KubeletOptions(
        address_types=_address_types(arguments, findings),
        uses_node_status_port=values["kubelet-use-node-status-port"],
        ca_file=values["kubelet-certificate-authority"],
        client_cert_file=values["kubelet-client-certificate"],
        client_key_file=values["kubelet-client-key"],
        node_selector=_node_selector(values["node-selector"], findings),
        shard=_shard(values["shard"], findings),
    )


def _address_types(arguments: Arguments, findings: Findings) -> tuple[str, ...]:
    name = "kubelet-preferred-address-types"
    types: tuple[str, ...] = tuple(arguments.values[name])
    if not types:
        findings.refuse(name, "nothing", f"one or more of {', '.join(ADDRESS_TYPES)}")
    for unknown in (one for one in types if one not in ADDRESS_TYPES):
        findings.note(name, f"no node has addresses of type {unknown!r}; types are {', '.join(ADDRESS_TYPES)}")
    heapsters_choice = "source" in arguments.given and name not in arguments.given
    return () if heapsters_choice else types


def _node_selector(text: str, findings: Findings) -> str:
    try:
        parse_selector(text)
    except QueryError as error:
        findings.refuse("node-selector", repr(text), f"a label selector ({error})")
    return text


def _shard(text: str, findings: Findings) -> Shard:
    try:
        return parse_shard(text)
    except ValueError as error:
        findings.refuse("shard", repr(text), str(error))
        return Shard()
