"""What every request goes through: headers, time limits, the chain, how many at once."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from heapfast.api.filters import InFlight
from heapfast.auth.attributes import Attributes
from heapfast.auth.chain import Admission, Asked
from heapfast.auth.identity import User
from heapfast.auth.refusals import Forbidden, Unauthenticated, Undecided
from heapfast.errors import AuthError
from tests.unit.api.client import ask
from tests.unit.api.k8s_cluster import PREFIX, SecureCluster

ALICE = User("alice <&>", ("g1",))
PODS = Attributes("get", f"{PREFIX}/x", True, "metrics.k8s.io", "v1", "pods", "", "default", "web-0")
PATH = Attributes("get", "/metrics")


class ScriptedAuth:
    """Lets requests pass, or refuses them, as it is told."""

    def __init__(self, refusal: AuthError | None = None, user: User = ALICE, warning: str = "") -> None:
        self.refusal = refusal
        self.admission = Admission(user, PATH, warning)
        self.asked: list[Asked] = []

    async def admit(self, asked: Asked) -> Admission:
        self.asked.append(asked)
        await asyncio.sleep(0)
        if self.refusal is not None:
            raise self.refusal
        return self.admission


async def test_every_answer_has_its_headers() -> None:
    cluster = SecureCluster()
    for path in ("/livez", "/nowhere", "/apis", f"{PREFIX}/nodes", f"{PREFIX}/nodes?limit=x"):
        answer = await cluster.get(path)
        assert answer.headers["cache-control"] == "no-cache, private"
        assert uuid.UUID(answer.headers["audit-id"]).version == 4
        assert (await cluster.get(path, audit_id="mine")).headers["audit-id"] == "mine"


@pytest.mark.parametrize(("expect", "status"), [("100-continue", 200), ("100-Continue", 200), ("nonsense", 417)])
async def test_only_one_thing_can_be_expected(expect: str, status: int) -> None:
    assert (await SecureCluster().get("nodes", expect=expect)).status == status


@pytest.mark.parametrize(("text", "status"), [("1ns", 504), ("999ns", 504), ("1s", 200), ("-1s", 200), ("1", 400)])
@pytest.mark.parametrize("path", ["nodes", "nodes/node-1", "/apis", "/livez"])
async def test_time_limits_hold_everywhere(path: str, text: str, status: int) -> None:
    assert (await SecureCluster().get(f"{path}?timeout={text}")).status == status


async def test_the_chain_sees_the_request_as_it_came() -> None:
    auth = ScriptedAuth(warning='299 - "old"')
    cluster = SecureCluster(auth=auth)
    answer = await ask(cluster.app, "/n%6Fwhere?a=%20", "FOO", (("X-Remote-User", "u"),), certificates=["PEM"])
    assert (answer.status, answer.headers["warning"]) == (404, '299 - "old"')
    (asked,) = auth.asked
    assert asked[:3] == ("FOO", "/nowhere", b"a=%20")
    assert (b"x-remote-user", b"u") in asked.headers
    assert asked.certificates == ["PEM"]


REFUSALS: dict[str, tuple[AuthError, int, dict[str, Any]]] = {
    "who": (Unauthenticated(), 401, {"message": "Unauthorized", "reason": "Unauthorized"}),
    "object": (
        Forbidden(ALICE, PODS),
        403,
        {
            "message": 'pods.metrics.k8s.io "web-0" is forbidden: User "alice &lt;&amp;&gt;" cannot get resource '
            '"pods" in API group "metrics.k8s.io" in the namespace "default"',
            "details": {"name": "web-0", "group": "metrics.k8s.io", "kind": "pods"},
        },
    ),
    "list, subresource": (
        Forbidden(User("bob"), PODS._replace(verb="list", name="", namespace="", subresource="log")),
        403,
        {
            "message": 'pods.metrics.k8s.io is forbidden: User "bob" cannot list resource "pods/log" '
            'in API group "metrics.k8s.io" at the cluster scope'
        },
    ),
    "path, with a reason": (
        Forbidden(User("bob"), PATH, "no"),
        403,
        {"message": 'forbidden: User "bob" cannot get path "/metrics": no', "details": {}},
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_refusals_are_statuses(case: str) -> None:
    refusal, code, members = REFUSALS[case]
    answer = await SecureCluster(auth=ScriptedAuth(refusal)).get("pods")
    assert answer.status == answer.json["code"] == code
    assert members.items() <= answer.json.items()
    assert answer.headers.get("x-content-type-options") == ("nosniff" if code == 403 else None)


async def test_what_nobody_could_decide_is_a_text() -> None:
    cluster = SecureCluster(auth=ScriptedAuth(Undecided("the API server is away")))
    answer = await cluster.get("pods?a=%20<", accept="application/yaml")
    assert (answer.status, answer.headers["content-type"]) == (500, "text/plain; charset=utf-8")
    assert answer.text == f'Internal Server Error: "{PREFIX}/pods?a=%20&lt;": the API server is away\n'


async def test_refusals_come_in_the_accepted_form() -> None:
    cluster = SecureCluster(auth=ScriptedAuth(Unauthenticated()))
    assert (await cluster.get("pods", accept="application/yaml")).body.startswith(b"apiVersion: v1\ncode: 401\n")
    assert (await cluster.get("pods", accept="application/vnd.kubernetes.protobuf")).body.startswith(b"k8s\0")


async def _fill(cluster: SecureCluster, n: int) -> Sequence[asyncio.Future[None]]:
    """Requests that are being answered: their clients do not read on."""
    never = asyncio.Event()

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        await never.wait()

    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": f"{PREFIX}/nodes", "raw_path": b"", "query_string": b"", "root_path": "",
        "headers": [], "server": ("127.0.0.1", 1), "client": ("127.0.0.1", 2),
    }  # fmt: skip
    tasks = [asyncio.ensure_future(cluster.app(dict(scope), receive, send)) for _ in range(n)]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_too_many_at_once_are_told_to_come_back() -> None:
    cluster = SecureCluster(max_in_flight=2)
    tasks = await _fill(cluster, 2)
    answer = await cluster.get("nodes")
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    assert answer.body == b"Too many requests, please try again later.\n"
    assert (await cluster.get("/livez")).status == 200
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (await cluster.get("nodes")).status == 200


async def test_masters_are_never_too_many() -> None:
    cluster = SecureCluster(max_in_flight=1, auth=ScriptedAuth(user=User("aggregator", ("system:masters",))))
    tasks = await _fill(cluster, 3)
    assert (await cluster.get("/apis")).status == 200
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_request_that_fails_is_counted_out() -> None:
    in_flight = InFlight()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        in_flight.enter(scope)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await in_flight.wrap(app)({}, None, None)
    assert in_flight.count == 0
