"""Bearer tokens: how they are found, and whose they are."""

from __future__ import annotations

import sys

import pytest
from prometheus_client import CollectorRegistry

from heapfast.auth.identity import User
from heapfast.auth.monitoring import AuthMonitoring
from heapfast.auth.refusals import Undecided
from heapfast.auth.token_review import EXTRA_SPACE_WARNING, Bearer, TokenReviewer, find_bearer
from heapfast.clock import ManualClock
from heapfast.errors import KubeError
from tests.unit.auth.chains import ReviewedUser, TokenStatus

FORMS = [
    ("as it should be", "Bearer good", Bearer("good")),
    ("scheme in small letters", "bearer good", Bearer("good")),
    ("scheme in capitals", "BEARER good", Bearer("good")),
    ("blanks in front", "  Bearer good", Bearer("good")),
    ("blanks behind", "Bearer good  ", Bearer("good")),
    ("something behind", "Bearer good extra", Bearer("good")),
    ("two blanks", "Bearer  good", Bearer(None, EXTRA_SPACE_WARNING)),
    ("three blanks", "Bearer   good", Bearer(None, EXTRA_SPACE_WARNING)),
    ("a tab", "Bearer\tgood", Bearer(None)),
    ("no token", "Bearer", Bearer(None)),
    ("no token but a blank", "Bearer ", Bearer(None)),
    ("another scheme", "Basic YTpi", Bearer(None)),
    ("a scheme that begins so", "Bearers good", Bearer(None)),
    ("no scheme", "good", Bearer(None)),
    ("nothing", "", Bearer(None)),
    ("no ASCII", "Bearer g\xe9", Bearer("g\xe9")),
]


@pytest.mark.parametrize(("value", "bearer"), [row[1:] for row in FORMS], ids=[row[0] for row in FORMS])
def test_a_token_has_one_form(value: str, bearer: Bearer) -> None:
    headers = [(b"accept", b"*/*"), (b"authorization", value.encode("latin-1"))]
    assert find_bearer(headers) == bearer


def test_of_several_authorization_headers_the_first_counts() -> None:
    assert find_bearer([(b"authorization", b"Basic x"), (b"authorization", b"Bearer good")]) == Bearer(None)


def test_a_websocket_protocol_is_no_token() -> None:
    assert find_bearer([(b"sec-websocket-protocol", b"base64url.bearer.authorization.k8s.io.Z29vZA")]) == Bearer(None)


class Reviews:
    """An API server that knows two tokens.

    Attributes:
        fault: raised instead of an answer.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fault: KubeError | None = None

    async def review(self, token: str) -> TokenStatus:
        self.asked.append(token)
        if self.fault:
            raise self.fault
        users = {"good": ReviewedUser("alice", "7", ["g"], {"b": ["2"], "a": ["1", "0"]}), "nameless": ReviewedUser()}
        return TokenStatus(token in users, users.get(token, ReviewedUser("not to be looked at")))


@pytest.fixture
def reviews() -> Reviews:
    return Reviews()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def reviewer(reviews: Reviews, clock: ManualClock, registry: CollectorRegistry) -> TokenReviewer:
    return TokenReviewer(reviews.review, monitoring=AuthMonitoring(registry), clock=clock)


ALICE = User("alice", ("g",), "7", (("a", ("1", "0")), ("b", ("2",))))


@pytest.mark.parametrize(
    ("token", "user"), [("good", ALICE), ("nameless", User()), ("bad", None)], ids=["good", "nameless", "bad"]
)
async def test_answers_are_remembered_for_ten_seconds(
    token: str, user: User | None, reviewer: TokenReviewer, reviews: Reviews, clock: ManualClock
) -> None:
    assert await reviewer.find_user(token) == user
    clock.advance(9.9)
    assert await reviewer.find_user(token) == user
    assert reviews.asked == [token]
    clock.advance(0.1)
    assert await reviewer.find_user(token) == user
    assert reviews.asked == [token, token]


async def test_tokens_are_told_apart(reviewer: TokenReviewer) -> None:
    assert [await reviewer.find_user(token) for token in ("good", "goo", "good ", "good", "")] == [
        ALICE, None, None, ALICE, None
    ]  # fmt: skip


async def test_without_an_answer_nothing_is_decided_and_nothing_remembered(
    reviewer: TokenReviewer, reviews: Reviews
) -> None:
    reviews.fault = KubeError("cannot reach it", reason="connect")
    for _ in range(2):
        with pytest.raises(Undecided, match="connect"):
            await reviewer.find_user("good")
    reviews.fault = None
    assert await reviewer.find_user("good") == ALICE
    assert reviews.asked == ["good"] * 3


async def test_what_happened_is_counted(reviewer: TokenReviewer, reviews: Reviews, registry: CollectorRegistry) -> None:
    for token in ("good", "good", "bad"):
        await reviewer.find_user(token)
    for fault in (KubeError("no", 403, reason="status_403"), KubeError("no", reason="timeout")):
        reviews.fault = fault
        with pytest.raises(Undecided):
            await reviewer.find_user("other")
    sample = registry.get_sample_value
    assert sample("authentication_token_cache_request_total", {"status": "hit"}) == 1
    assert sample("authentication_token_cache_request_total", {"status": "miss"}) == 4
    for code, count in (("200", 2), ("403", 1), ("<error>", 1)):
        assert sample("apiserver_delegated_authn_request_total", {"code": code}) == count
        assert sample("apiserver_delegated_authn_request_duration_seconds_count", {"code": code}) == count


async def test_no_token_is_kept(reviewer: TokenReviewer, reviews: Reviews) -> None:
    token = "-".join(["a", "secret", "made", "here"])
    references = sys.getrefcount(token)
    assert await reviewer.find_user(token) is None
    reviews.asked.clear()
    assert sys.getrefcount(token) == references
