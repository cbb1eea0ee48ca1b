"""Reviews over HTTP: what is posted, what an answer may be, and how long a failing server is tried."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web

from heapfast.errors import KubeError
from heapfast.kube.access import ApiAccess
from heapfast.kube.client import KubeClient
from heapfast.kube.credentials import Credentials
from heapfast.kube.reviews import AccessReviewStatus, ReviewedUser, Reviews, TokenReviewStatus
from tests.unit.kube import certificates
from tests.unit.kube.api_server import Answer, ScriptedApi, answer, serve, status

SECRET = "s3cr3t-t0ken"
SPEC = {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}, "user": "alice"}


class Waits:
    """Sleep and chance of a test: nothing waits, everything is noted."""

    def __init__(self, jitter: float = 0.0) -> None:
        self.seconds: list[float] = []
        self.jitter = jitter

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)

    def random(self) -> float:
        return self.jitter


def reviews_of(api: ScriptedApi, client: KubeClient, waits: Waits | None = None, **more: float) -> Reviews:
    waits = waits or Waits()
    return Reviews(client, sleep=waits.sleep, random=waits.random, **more)


async def token_review(
    *script: Answer, waits: Waits | None = None
) -> tuple[TokenReviewStatus | KubeError, ScriptedApi]:
    """The answer to one TokenReview, or its failure, and the server that was asked."""
    async with serve(*script) as api, KubeClient(ApiAccess(server=api.url)) as client:
        try:
            return await reviews_of(api, client, waits).review_token(SECRET), api
        except KubeError as error:
            return error, api


class Recorder:
    """A server that keeps the bodies of what is posted."""

    def __init__(self, reply: object, code: int = 201) -> None:
        self.bodies: list[object] = []
        self.requests: list[web.BaseRequest] = []
        self._reply = reply
        self._code = code

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(json.loads(await request.read()))
        return web.json_response(self._reply, status=self._code)

    async def ask(self, access: bool, folder: Path) -> object:
        """One review over TLS with our own credentials."""
        runner = web.ServerRunner(web.Server(self.handle))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificates.server_context(folder)).start()
        try:
            trusted = ApiAccess(
                server=f"https://127.0.0.1:{runner.addresses[0][1]}",
                ca_pem=certificates.authority().certificate_pem,
                credentials=Credentials("our-own"),
            )
            async with KubeClient(trusted) as client:
                reviews = Reviews(client)
                return await (reviews.review_access(SPEC) if access else reviews.review_token(SECRET))
        finally:
            await runner.cleanup()


async def test_a_token_review_is_posted_as_kubernetes_knows_it(tmp_path: Path) -> None:
    user = {"username": "alice", "uid": "7", "groups": ["g"], "extra": {"k": ["v"]}}
    server = Recorder({"kind": "TokenReview", "status": {"authenticated": True, "user": user, "audiences": ["x"]}})
    assert await server.ask(False, tmp_path) == TokenReviewStatus(True, ReviewedUser("alice", "7", ["g"], {"k": ["v"]}))
    assert server.bodies == [
        {
            "kind": "TokenReview",
            "apiVersion": "authentication.k8s.io/v1",
            "spec": {"token": SECRET},
            "metadata": {},
            "status": {},
        }
    ]
    request = server.requests[0]
    assert (request.method, request.path_qs) == ("POST", "/apis/authentication.k8s.io/v1/tokenreviews")
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Authorization"] == "Bearer our-own"


async def test_an_access_review_is_posted_as_kubernetes_knows_it(tmp_path: Path) -> None:
    server = Recorder({"status": {"allowed": False, "denied": True, "reason": "no", "evaluationError": "half"}}, 200)
    assert await server.ask(True, tmp_path) == AccessReviewStatus(False, True, "no")
    assert server.bodies == [
        {
            "kind": "SubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1",
            "spec": SPEC,
            "metadata": {},
            "status": {},
        }
    ]
    assert server.requests[0].path_qs == "/apis/authorization.k8s.io/v1/subjectaccessreviews?timeout=10s"


GOOD = answer({"status": {"authenticated": True, "user": {"username": "a"}}}, 201)
KNOWN = TokenReviewStatus(True, ReviewedUser("a"))

ANSWERS = [
    ("201", [GOOD], KNOWN),
    ("200", [answer({"status": {"authenticated": True, "user": {"username": "a"}}})], KNOWN),
    ("not authenticated", [answer({"status": {"authenticated": False, "error": "expired"}})], TokenReviewStatus()),
    ("an empty status", [answer({"status": {}})], TokenReviewStatus()),
    ("no status", [answer({"kind": "TokenReview"})], "decode"),
    ("a status that is none", [answer({"status": {"authenticated": "yes"}})], "decode"),
    ("no JSON", [answer(b"<html>")], "decode"),
    ("nothing", [answer(b"")], "decode"),
    ("another success", [answer({"status": {"authenticated": True}}, 202)], "status_202"),
    ("400", [status(400)], "status_400"),
    ("401", [status(401)], "status_401"),
    ("403", [status(403)], "status_403"),
    ("404", [status(404)], "status_404"),
    ("429", [status(429)], "status_429"),
    ("500 and then an answer", [status(500), GOOD], KNOWN),
    ("four faults and then an answer", [status(500), status(502), status(503), status(504), GOOD], KNOWN),
    ("faults without end", [status(500)] * 5, "status_500"),
    ("a connection that was closed meanwhile", [Answer([], is_cut=True), GOOD], KNOWN),
    ("a server that cuts", [Answer([], is_cut=True), Answer([], is_cut=True)], "broken"),
]


@pytest.mark.parametrize(("script", "wanted"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
async def test_an_answer_is_a_status_or_a_reason(script: list[Answer], wanted: TokenReviewStatus | str) -> None:
    outcome, api = await token_review(*script)
    assert (outcome.reason if isinstance(outcome, KubeError) else outcome) == wanted
    assert len(api.requests) == len(script)
    assert SECRET not in f"{outcome!r} {outcome} {getattr(outcome, '__cause__', '')!r}"


@pytest.mark.parametrize(("jitter", "longest"), [(0.0, 4.0625), (1.0, 4.875)])
async def test_waits_grow_and_end(jitter: float, longest: float) -> None:
    waits = Waits(jitter)
    await token_review(*[status(500)] * 5, waits=waits)
    assert waits.seconds == pytest.approx([seconds * (1 + 0.2 * jitter) for seconds in (0.5, 0.75, 1.125, 1.6875)])
    assert sum(waits.seconds) == pytest.approx(longest)


async def test_nothing_is_waited_for_when_trying_again_does_not_help() -> None:
    waits = Waits()
    await token_review(status(403), waits=waits)
    await token_review(Answer([], is_cut=True), GOOD, waits=waits)
    assert waits.seconds == []


async def test_a_server_that_says_nothing_is_given_up() -> None:
    async with serve() as api, KubeClient(ApiAccess(server=api.url)) as client:
        with pytest.raises(KubeError) as caught:
            await reviews_of(api, client, timeout_seconds=0.05).review_access(SPEC)
        assert (caught.value.reason, caught.value.status) == ("timeout", None)


async def test_all_tries_together_have_one_time() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.Event().wait()

    async with serve(status(500)) as api, KubeClient(ApiAccess(server=api.url)) as client:
        with pytest.raises(KubeError) as caught:
            await Reviews(client, sleep=sleep, timeout_seconds=1).review_access(SPEC)
    assert caught.value.reason == "timeout"
    assert len(waits) == 1


async def test_a_server_that_is_not_there_is_not_waited_for(free_port: int) -> None:
    waits = Waits()
    async with KubeClient(ApiAccess(server=f"http://127.0.0.1:{free_port}")) as client:
        with pytest.raises(KubeError) as caught:
            await Reviews(client, sleep=waits.sleep, random=waits.random).review_token(SECRET)
    assert caught.value.reason == "connect"
    assert SECRET not in str(caught.value)
    assert waits.seconds == []
