"""Named cluster shapes, so that two figures are about the same thing.

In      nothing; this is a table
Out     Scenario by name; SimulateOptions for one
Callers bench/macro, bench/compare, bench/micro
Source  the reference figures in docs: 1,000 and 5,000 nodes, 30 pods of two containers each
Never   measures anything
"""

from __future__ import annotations

from typing import Final

import msgspec

from heapfast.sim.options import DEFAULT_DAEMON_URL, SimulateOptions


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster and how it is watched.

    Attributes:
        nodes, pods_per_node, containers, namespaces: its shape; `containers` is per pod.
        resolution_seconds: how often each node is scraped.
        churn_per_minute: pods replaced a minute.
        tls: kubelets and API server over TLS.
        faults: as `heapfast simulate --fault`.
        seed: two runs see the same cluster.
    """

    name: str
    nodes: int
    pods_per_node: int
    containers: int
    namespaces: int
    resolution_seconds: int = 15
    churn_per_minute: float = 0.0
    tls: bool = True
    faults: tuple[str, ...] = ()
    seed: int = 1

    @property
    def pods(self) -> int:
        return self.nodes * self.pods_per_node

    @property
    def all_containers(self) -> int:
        return self.pods * self.containers

    def options(self, daemon_url: str = DEFAULT_DAEMON_URL) -> SimulateOptions:
        """The simulated cluster of this scenario, on ports the system chooses."""
        return SimulateOptions(
            nodes=self.nodes,
            pods_per_node=self.pods_per_node,
            containers=self.containers,
            namespaces=self.namespaces,
            churn_per_minute=self.churn_per_minute,
            tls=self.tls,
            faults=self.faults,
            seed=self.seed,
            daemon_url=daemon_url,
        )


_SMALL: Final = Scenario(name="small", nodes=10, pods_per_node=10, containers=2, namespaces=3, tls=False)
_HUNDRED: Final = Scenario(name="hundred", nodes=100, pods_per_node=30, containers=2, namespaces=10)
_THOUSAND: Final = Scenario(name="thousand", nodes=1_000, pods_per_node=30, containers=2, namespaces=50)
_K8S_LIMIT: Final = Scenario(name="k8s-limit", nodes=5_000, pods_per_node=30, containers=2, namespaces=200)
_TEN_THOUSAND: Final = Scenario(name="ten-thousand", nodes=10_000, pods_per_node=30, containers=2, namespaces=400)

_replace = msgspec.structs.replace

#: By name. The first five grow; those after them are a size with something else changed.
SCENARIOS: Final[dict[str, Scenario]] = {
    scenario.name: scenario
    for scenario in (
        _SMALL,
        _HUNDRED,
        _THOUSAND,
        _K8S_LIMIT,
        _TEN_THOUSAND,
        _replace(_THOUSAND, name="thousand-plain", tls=False),
        # One pod in a hundred every minute: a rolling release over the whole cluster within two hours.
        _replace(_THOUSAND, name="thousand-churn", churn_per_minute=300.0),
        # What a large cluster looks like on a bad day.
        _replace(_THOUSAND, name="thousand-faults", faults=("2%=hang", "1%=500", "node-0007=slow:8", "node-0011=cut")),
        _replace(_K8S_LIMIT, name="k8s-limit-plain", tls=False),
        _replace(_K8S_LIMIT, name="k8s-limit-churn", churn_per_minute=1_500.0),
        _replace(_K8S_LIMIT, name="k8s-limit-fast", resolution_seconds=5),
    )
}
