"""What the simulated cluster is made of: names, images, sizes.

In      a seed and numbers
Out     namespaces and Workloads; names and ids of pods and nodes
Callers cluster, objects
Never   repeats a name where names must differ
"""

from __future__ import annotations

from typing import Final, NamedTuple

from heapfast.sim.loads import mix

MIB: Final = 1024 * 1024
FIRST_NAMESPACES: Final = ("default", "kube-system", "shop")
ZONES: Final = ("zone-a", "zone-b", "zone-c")
POOLS: Final = ("general", "memory", "batch")
ARCHES: Final = ("amd64", "amd64", "arm64")
#: Application names with their tier.
APPS: Final = (
    ("web", "frontend"),
    ("api", "backend"),
    ("worker", "backend"),
    ("db", "storage"),
    ("cache", "backend"),
    ("search", "backend"),
    ("mail", "backend"),
    ("queue", "storage"),
)
SIDECARS: Final = ("proxy", "logger", "agent", "config", "probe", "vault", "tracer")
#: Kubernetes' own alphabet for generated names: no vowels, nothing that looks alike.
SUFFIX_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX_LENGTH: Final = 5
PODS_PER_WORKLOAD: Final = 50


class ContainerSpec(NamedTuple):
    """One container of a workload; 0 means not stated."""

    name: str
    image: str
    cpu_request_millicores: int
    cpu_limit_millicores: int
    memory_request_bytes: int
    memory_limit_bytes: int


class Workload(NamedTuple):
    """What pods are made from. `template_hash` is empty for a StatefulSet, whose pods have ordinals."""

    number: int
    namespace: str
    name: str
    kind: str
    labels: dict[str, str]
    template_hash: str
    containers: tuple[ContainerSpec, ...]

    @property
    def is_stateful(self) -> bool:
        return self.kind == "StatefulSet"


def namespace_names(count: int) -> list[str]:
    return [*FIRST_NAMESPACES, *(f"team-{i:03d}" for i in range(count - len(FIRST_NAMESPACES)))][:count]


def make_workloads(seed: int, pods: int, containers: int, namespaces: list[str]) -> list[Workload]:
    """Workloads of about PODS_PER_WORKLOAD pods each, at least one a namespace; every fifth is a StatefulSet."""
    count = max(len(namespaces), -(-pods // PODS_PER_WORKLOAD))
    return [_make_workload(seed, index, containers, namespaces[index % len(namespaces)]) for index in range(count)]


def _make_workload(seed: int, index: int, containers: int, namespace: str) -> Workload:
    app, tier = APPS[index % len(APPS)]
    name = app if index < len(APPS) else f"{app}-{index}"
    stateful = index % 5 == 3
    template_hash = "" if stateful else suffix(mix(seed, index, 11)) + suffix(mix(seed, index, 12))
    labels = {"app": name, "tier": tier}
    if not stateful:
        labels["pod-template-hash"] = template_hash
    return Workload(
        number=index,
        namespace=namespace,
        name=name,
        kind="StatefulSet" if stateful else "Deployment",
        labels=labels,
        template_hash=template_hash,
        containers=tuple(_make_container(seed, index, i, app) for i in range(containers)),
    )


def _make_container(seed: int, workload: int, index: int, app: str) -> ContainerSpec:
    if index == 0:
        name = "main"
    elif index <= len(SIDECARS):
        name = SIDECARS[index - 1]
    else:
        name = f"extra-{index}"
    bits = mix(seed, workload, index, 13)
    cpu = 50 * (1 + bits % 6)
    memory = 64 * MIB * (1 + (bits >> 8) % 8)
    # One container in eight states no requests, one in four no limits, as in real clusters.
    if bits >> 16 & 7 == 0:
        return ContainerSpec(name, f"registry.example/{app if index == 0 else name}:1.{workload % 7}", 0, 0, 0, 0)
    limited = bits >> 20 & 3 != 0
    return ContainerSpec(
        name=name,
        image=f"registry.example/{app if index == 0 else name}:1.{workload % 7}",
        cpu_request_millicores=cpu,
        cpu_limit_millicores=4 * cpu if limited else 0,
        memory_request_bytes=memory,
        memory_limit_bytes=2 * memory if limited else 0,
    )


def suffix(number: int) -> str:
    """Five letters for a number; distinct for distinct numbers below 27 ** 5."""
    # The factor shares no divisor with 27, so this is a permutation and names look random.
    rest = (number * 7_654_321 + 1_234_567) % len(SUFFIX_ALPHABET) ** SUFFIX_LENGTH
    letters = []
    for _ in range(SUFFIX_LENGTH):
        rest, at = divmod(rest, len(SUFFIX_ALPHABET))
        letters.append(SUFFIX_ALPHABET[at])
    return "".join(letters)


def node_address(index: int) -> str:
    """The loopback address of a node: 127.1.0.1, 127.1.0.2 ...; 127.0.x.y stays free for others."""
    number = (1 << 16) + index + 1
    return f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def uid_halves(seed: int, kind: int, serial: int) -> tuple[int, int]:
    """The two 64-bit halves of the UID of the object with this serial number."""
    return mix(seed, kind, serial, 21), mix(seed, kind, serial, 22)


def uid_text(high: int, low: int) -> str:
    text = f"{high:016x}{low:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
