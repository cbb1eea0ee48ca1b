"""Who asks in the scenario `auth`: a chain whose API server answers by the recorded policy.

In      a Scenario
Out     Identities: the chain for the app, and the certificates of each vector
Callers replay.py
Source  README.md of the recordings, "Identities"
Never   compares reviews: tests/unit/auth does
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapfast.api.params import parse_query
from heapfast.auth.attributes import QueryParsers
from heapfast.auth.config_map import read_settings
from heapfast.query._selector import parse_field_selector, parse_selector
from tests.unit.auth import certificates
from tests.unit.auth.chains import StagedChain
from tests.unit.auth.test_recorded import Policy, with_certificates

if TYPE_CHECKING:
    from tests.conformance.metrics_server.recordings import Scenario
    from tests.conformance.recordings import Json


class Identities:
    """See the module."""

    def __init__(self, scenario: Scenario) -> None:
        policy = Policy(scenario.about["policy"])
        self._chain = StagedChain(
            policy.review_token,
            policy.review_access,
            config_map=with_certificates(scenario.about["configmap"]),
            parsers=QueryParsers(parse_query, parse_selector, parse_field_selector),
        )
        self.auth = self._chain.auth

    def set_ns(self, now_ns: int) -> None:
        """Moves the chain's clock, by which certificates and cached reviews end."""
        self._chain.clock.set_ns(now_ns)

    def use(self, config_map: dict[str, str]) -> None:
        """Takes what the config map says now."""
        self._chain.trust.use_cluster(read_settings(with_certificates(config_map)))


def certificates_of(vector: Json) -> list[str] | None:
    """What the TLS client showed; None where that does not matter."""
    identity = vector["identity"]
    if "certificate" not in identity:
        return None
    return [certificates.client(identity["certificate"])] if identity["certificate"] else []
