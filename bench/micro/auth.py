"""What the chain costs once everything it needs to know is known.

In      nothing; certificates, headers and the API server's answers are made up
Out     microseconds of CPU a decision (best of several) for each kind of caller
Callers `python -m bench.micro.auth [DECISIONS]`, bench/micro/command.py
Source  issue 3: a decision on the warm path costs less than 10 microseconds
Never   counts time before the decision was checked, or asks a real API server
"""

from __future__ import annotations

import sys
import time
from typing import Any

import msgspec
import uvloop
from prometheus_client import CollectorRegistry

from bench.figures import Figures, Scale, at_most, main
from heapfast.api.params import parse_query
from heapfast.auth.access_review import AccessReviewer
from heapfast.auth.attributes import AttributeReader, QueryParsers
from heapfast.auth.chain import Asked, AuthChain
from heapfast.auth.crowds import CROWD
from heapfast.auth.monitoring import AuthMonitoring
from heapfast.auth.refusals import Forbidden, Unauthenticated
from heapfast.auth.token_review import TokenReviewer
from heapfast.auth.trust import AuthSettings, FrontProxySettings, Trust
from heapfast.clock import Clock
from heapfast.errors import AuthError
from heapfast.query._selector import parse_selector
from heapfast.sim.certificates import Authority

SCALE = Scale(full=2_000, quick=200, unit="decisions a round")
ROUNDS = 15

BUDGETS = {
    f"{caller}, us of CPU": at_most(10.0)
    for caller in (
        "autoscaler through the front proxy",
        "one of many autoscalers",
        "client certificate",
        "bearer token of 900 bytes",
        "anonymous probe",
        "refused: user without permission",
        "refused: front proxy of a foreign authority",
        "refused: bad token",
    )
}

#: What kube-apiserver sends along when the HorizontalPodAutoscaler asks.
PROXIED = (
    (b"host", b"10.96.12.7:443"),
    (b"user-agent", b"kube-controller-manager/v1.34.0 (linux/amd64) kubernetes/abcdef/horizontal-pod-autoscaler"),
    (b"accept", b"application/vnd.kubernetes.protobuf,application/json"),
    (b"accept-encoding", b"gzip"),
    (b"audit-id", b"3b9f0f1c-5d5d-4b0e-8a53-2f2f5f2b6a1a"),
    (b"x-forwarded-for", b"10.0.0.1"),
    (b"x-forwarded-host", b"10.0.0.1:6443"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-uri", b"/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods"),
    (b"x-remote-user", b"system:serviceaccount:kube-system:horizontal-pod-autoscaler"),
    (b"x-remote-uid", b"0a0c8f6e-4b5b-4f37-9a38-1f57f5a8e0b4"),
    (b"x-remote-group", b"system:serviceaccounts"),
    (b"x-remote-group", b"system:serviceaccounts:kube-system"),
    (b"x-remote-group", b"system:authenticated"),
    (b"x-remote-extra-authentication.kubernetes.io%2fcredential-id", b"JTI=7e1a4f0e-9c7f-4a35-a2f3-0f8d5b8a4b11"),
)
DIRECT = PROXIED[:5]


class Reviewed(msgspec.Struct):
    """The status of either review."""

    authenticated: bool = True
    username: str = "prometheus"
    uid: str = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}
    allowed: bool = True
    denied: bool = False
    reason: str = ""

    @property
    def user(self) -> Reviewed:
        return self


async def review_token(token: str) -> Reviewed:
    return Reviewed(authenticated=token.startswith("good"))


async def review_access(spec: dict[str, Any]) -> Reviewed:
    return Reviewed(allowed=spec["user"] != "mallory")


def build_chain(client_ca: Authority, proxy_ca: Authority) -> AuthChain:
    clock = Clock()
    monitoring = AuthMonitoring(CollectorRegistry())
    trust = Trust(lambda authorities: None)
    trust.use_flags(AuthSettings(client_ca.pem.decode(), FrontProxySettings(proxy_ca.pem.decode())))
    # An hour, so that no review happens while time is counted.
    return AuthChain(
        trust,
        TokenReviewer(review_token, monitoring=monitoring, clock=clock, ttl_seconds=3600),
        AccessReviewer(
            review_access,
            monitoring=monitoring,
            clock=clock,
            authorized_ttl_seconds=3600,
            unauthorized_ttl_seconds=3600,
        ),
        AttributeReader(QueryParsers(parse_query, parse_selector, parse_selector)),
        allows_anonymous=True,
        clock=clock,
        monitoring=monitoring,
    )


def callers(client_ca: Authority, proxy_ca: Authority) -> list[tuple[str, Asked, type[AuthError] | None]]:
    """What each caller sends, and how the chain must refuse them, None for not at all."""
    pods = ("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods", b"labelSelector=app%3Dweb%2Ctier%3Dfront")
    proxy = [proxy_ca.sign_client("front-proxy-client")[0].decode()]
    client = [client_ca.sign_client("alice", "team")[0].decode()]
    mallory = [client_ca.sign_client("mallory")[0].decode()]
    foreign = [Authority("foreign").sign_client("front-proxy-client")[0].decode()]

    def bearer(token: bytes) -> tuple[tuple[bytes, bytes], ...]:
        return (*DIRECT, (b"authorization", b"Bearer " + token * 30))

    return [
        ("autoscaler through the front proxy", Asked(*pods, PROXIED, proxy), None),
        ("client certificate", Asked(*pods, DIRECT, client), None),
        ("bearer token of 900 bytes", Asked("GET", "/metrics", b"", bearer(b"good" * 7 + b"--"), ()), None),
        ("anonymous probe", Asked("GET", "/livez", b"", DIRECT, ()), None),
        ("refused: user without permission", Asked(*pods, DIRECT, mallory), Forbidden),
        ("refused: front proxy of a foreign authority", Asked(*pods, PROXIED, foreign), Unauthenticated),
        ("refused: bad token", Asked(*pods, bearer(b"bad" * 10), ()), Unauthenticated),
    ]


def crowd(asked: Asked) -> list[Asked]:
    """As many others, in other namespaces, as it takes for all to be permitted as one list, and one that is."""
    return [asked._replace(path=asked.path.replace("shop", f"shop-{place}")) for place in range(CROWD * CROWD + 1)]


def fresh(asked: Asked) -> Asked:
    """The same request as another one: nothing of it has been hashed before, but its connection's certificate."""

    def copy(text: bytes) -> bytes:
        return bytes(bytearray(text))

    headers = [(copy(name), copy(value)) for name, value in asked.headers]
    return Asked(asked.method, asked.path.encode().decode(), copy(asked.query), headers, asked.certificates)


async def decide(chain: AuthChain, requests: list[Asked]) -> type[AuthError] | None:
    """Ask each; returns how the last one was refused."""
    refused: type[AuthError] | None = None
    for asked in requests:
        try:
            await chain.admit(asked)
        except AuthError as refusal:
            refused = type(refusal)
    return refused


def run(decisions: int) -> Figures:
    return uvloop.run(_measure(decisions))


async def _measure(decisions: int) -> Figures:
    figures: Figures = {}
    client_ca, proxy_ca = Authority("client-ca"), Authority("front-proxy-ca")
    chain = build_chain(client_ca, proxy_ca)
    rows = callers(client_ca, proxy_ca)
    # By another name, so that the first row's permission is none of theirs.
    many = rows[0][1]._replace(headers=tuple((name, value.replace(b"kube-system", b"load")) for name, value in PROXIED))
    await decide(chain, crowd(many))
    for name, asked, refusal in [*rows, ("one of many autoscalers", many, None)]:
        decided = await decide(chain, [asked, asked])
        assert decided is refusal, f"{name}: {decided}, want {refusal}"
        best = float("inf")
        for _ in range(ROUNDS):
            requests = [fresh(asked) for _ in range(decisions)]
            start = time.process_time()
            await decide(chain, requests)
            best = min(best, time.process_time() - start)
        figures[f"{name}, us of CPU"] = best / decisions * 1e6
    return figures


if __name__ == "__main__":
    sys.exit(main(__doc__, run, SCALE, BUDGETS))
