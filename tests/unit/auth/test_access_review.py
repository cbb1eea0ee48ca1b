"""Permission: who needs none, what is asked, and what the answers mean."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from heapfast.auth.access_review import MAX_KEPT_ATTRIBUTES, AccessReviewer, review_spec
from heapfast.auth.attributes import Attributes, Condition
from heapfast.auth.crowds import CROWD
from heapfast.auth.identity import ANONYMOUS, User
from heapfast.auth.monitoring import AuthMonitoring
from heapfast.auth.refusals import Forbidden, Undecided
from heapfast.clock import ManualClock
from heapfast.errors import KubeError
from tests.unit.auth.chains import AccessStatus

ALICE = User("alice", ("system:authenticated",))
METRICS = Attributes("get", "/metrics")
PODS = Attributes("list", "/x", True, "metrics.k8s.io", "v1beta1", "pods", namespace="default")


class Reviews:
    """An API server with one answer for everybody, and all it was asked."""

    def __init__(self, answer: AccessStatus | KubeError) -> None:
        self.answer = answer
        self.specs: list[dict[str, Any]] = []

    async def review(self, spec: dict[str, Any]) -> AccessStatus:
        self.specs.append(spec)
        if isinstance(self.answer, KubeError):
            raise self.answer
        return self.answer


class Authorizer:
    """A reviewer with its server, clock and counters."""

    def __init__(self, answer: AccessStatus | KubeError | Reviews, **options: Any) -> None:
        self.reviews = answer if isinstance(answer, Reviews) else Reviews(answer)
        self.clock = ManualClock()
        self.registry = CollectorRegistry()
        self.reviewer = AccessReviewer(
            self.reviews.review, monitoring=AuthMonitoring(self.registry), clock=self.clock, **options
        )

    async def decide(self, user: User = ALICE, attributes: Attributes = METRICS) -> str:
        try:
            await self.reviewer.authorize(user, attributes)
        except Forbidden as refusal:
            what = (refusal.user, refusal.attributes)
            return f"forbidden: {refusal.reason}" if what == (user, attributes) else f"somebody else: {what}"
        except Undecided as refusal:
            return f"undecided: {refusal.why}"
        return "allowed"

    def count(self, result: str) -> float | None:
        return self.registry.get_sample_value("authorization_attempts_total", {"result": result})


ANSWERS = [
    ("allowed", AccessStatus(allowed=True), "allowed"),
    ("allowed with a reason", AccessStatus(allowed=True, reason="because"), "allowed"),
    ("not allowed", AccessStatus(), "forbidden: "),
    ("not allowed with a reason", AccessStatus(reason="no rule"), "forbidden: no rule"),
    ("denied", AccessStatus(denied=True, reason="explicit"), "forbidden: explicit"),
    ("both", AccessStatus(allowed=True, denied=True), "undecided: the API server allows and denies at once"),
    ("refused", KubeError("x", 403, reason="status_403"), "undecided: the API server reviewed no access (status_403)"),
    ("broken", KubeError("x", 500, reason="status_500"), "undecided: the API server reviewed no access (status_500)"),
    ("away", KubeError("x", reason="connect"), "undecided: the API server reviewed no access (connect)"),
    ("too late", KubeError("x", reason="timeout"), "undecided: the API server reviewed no access (timeout)"),
]


@pytest.mark.parametrize(("answer", "wanted"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
async def test_an_answer_decides(answer: AccessStatus | KubeError, wanted: str) -> None:
    authorizer = Authorizer(answer)
    assert await authorizer.decide() == wanted
    result = {"allowed": "allowed", "forbidden": "denied", "undecided": "error"}[wanted.partition(":")[0]]
    assert authorizer.count(result) == 1


OPEN = [
    ("an open path", ALICE, Attributes("get", "/livez"), True),
    ("an open path for nobody", ANONYMOUS, Attributes("get", "/readyz"), True),
    ("an open path by another method", ANONYMOUS, Attributes("post", "/healthz"), True),
    ("below an open path", ANONYMOUS, Attributes("get", "/livez/ping"), False),
    ("an open path and a slash", ANONYMOUS, Attributes("get", "/livez/"), False),
    ("a path that begins so", ANONYMOUS, Attributes("get", "/livezz"), False),
    ("another path", ANONYMOUS, METRICS, False),
    ("a resource", ANONYMOUS, PODS, False),
    ("a resource at an open path", ANONYMOUS, PODS._replace(path="/livez"), False),
    ("a master", User("root", ("g", "system:masters")), PODS, True),
    ("a group that sounds so", User("root", ("system:master",)), PODS, False),
]


@pytest.mark.parametrize(("user", "attributes", "is_open"), [row[1:] for row in OPEN], ids=[row[0] for row in OPEN])
async def test_some_need_no_permission(user: User, attributes: Attributes, is_open: bool) -> None:
    authorizer = Authorizer(AccessStatus())
    assert (await authorizer.decide(user, attributes) == "allowed") is is_open
    assert len(authorizer.reviews.specs) == (0 if is_open else 1)


@pytest.mark.parametrize(
    ("path", "is_open"),
    [("/metrics", True), ("/debug/", True), ("/debug/x/y", True), ("/debug", False), ("/livez", False)],
)
async def test_open_paths_can_be_others_and_prefixes(path: str, is_open: bool) -> None:
    authorizer = Authorizer(AccessStatus(), always_allow_paths=("/metrics", "/debug/*"))
    assert (await authorizer.decide(ANONYMOUS, Attributes("get", path)) == "allowed") is is_open


async def test_no_open_paths_at_all() -> None:
    assert (
        await Authorizer(AccessStatus(), always_allow_paths=()).decide(ALICE, Attributes("get", "/livez")) != "allowed"
    )


@pytest.mark.parametrize(
    ("allowed", "ttls", "seconds"),
    [
        (True, {}, 10),
        (False, {}, 10),
        (True, {"authorized_ttl_seconds": 3}, 3),
        (False, {"unauthorized_ttl_seconds": 2}, 2),
    ],
)
async def test_decisions_count_for_their_time(allowed: bool, ttls: dict[str, float], seconds: float) -> None:
    authorizer = Authorizer(AccessStatus(allowed=allowed), **ttls)
    first = await authorizer.decide()
    authorizer.clock.advance(seconds - 0.01)
    assert await authorizer.decide() == first
    assert len(authorizer.reviews.specs) == 1
    authorizer.clock.advance(0.01)
    authorizer.reviews.answer = AccessStatus(allowed=not allowed)
    assert await authorizer.decide() != first
    assert len(authorizer.reviews.specs) == 2


async def test_a_failure_is_asked_again_at_once() -> None:
    authorizer = Authorizer(KubeError("x", reason="connect"))
    assert (await authorizer.decide()).startswith("undecided")
    authorizer.reviews.answer = AccessStatus(allowed=True)
    assert await authorizer.decide() == "allowed"


async def test_a_permission_known_before_the_server_went_away_ends_with_its_time() -> None:
    authorizer = Authorizer(AccessStatus(allowed=True))
    assert await authorizer.decide() == "allowed"
    authorizer.reviews.answer = KubeError("x", reason="connect")
    assert await authorizer.decide() == "allowed"
    authorizer.clock.advance(10)
    assert (await authorizer.decide()).startswith("undecided")


#: Each differs from the first in one thing, so that none may be answered with what is known of another.
QUESTIONS = [
    ("the first", ALICE, PODS),
    ("another user", ALICE._replace(name="bob"), PODS),
    ("another group", ALICE._replace(groups=()), PODS),
    ("another uid", ALICE._replace(uid="7"), PODS),
    ("other extra", ALICE._replace(extra=(("k", ("v",)),)), PODS),
    ("another namespace", ALICE, PODS._replace(namespace="kube-system")),
    ("all namespaces", ALICE, PODS._replace(namespace="")),
    ("another verb", ALICE, PODS._replace(verb="get")),
    ("another group of resources", ALICE, PODS._replace(group="x")),
    ("another version", ALICE, PODS._replace(version="v1")),
    ("another resource", ALICE, PODS._replace(resource="nodes")),
    ("a subresource", ALICE, PODS._replace(subresource="status")),
    ("a name", ALICE, PODS._replace(name="web-1")),
    ("a label selector", ALICE, PODS._replace(labels=(Condition("app", "In", ("x",)),))),
    ("a field selector", ALICE, PODS._replace(fields=(Condition("metadata.name", "In", ("x",)),))),
    ("a path", ALICE, METRICS),
]


async def test_no_question_is_answered_with_the_answer_to_another() -> None:
    authorizer = Authorizer(AccessStatus(allowed=True))
    for number, (_, user, attributes) in enumerate(QUESTIONS, 1):
        await authorizer.decide(user, attributes)
        assert len(authorizer.reviews.specs) == number
    specs = authorizer.reviews.specs
    assert all(specs.count(spec) == 1 for spec in specs)


def selected(number: int, namespace: str = "default") -> Attributes:
    """A list of one workload's pods, as its autoscaler asks for it."""
    return PODS._replace(namespace=namespace, labels=(Condition("app", "In", (f"web-{number}",)),))


def asked(authorizer: Authorizer) -> list[str]:
    """What the server was asked about, and forgets that it was: a namespace, and the selected app."""
    texts = []
    for spec in authorizer.reviews.specs:
        about = spec["resourceAttributes"]
        conditions = about.get("labelSelector", {"requirements": []})["requirements"]
        texts.append("/".join([about.get("namespace", "all"), *(value for c in conditions for value in c["values"])]))
    authorizer.reviews.specs.clear()
    return texts


async def crowd(authorizer: Authorizer, count: int = CROWD, namespace: str = "default") -> None:
    """Others ask first."""
    for number in range(count):
        await authorizer.decide(ALICE, selected(number, namespace))
    assert asked(authorizer) == [f"{namespace}/web-{number}" for number in range(count)]


async def test_many_selectors_are_reviewed_as_their_whole_list() -> None:
    authorizer = Authorizer(AccessStatus(allowed=True))
    await crowd(authorizer)
    for number in range(CROWD, CROWD + 20):
        assert await authorizer.decide(ALICE, selected(number)) == "allowed"
    assert asked(authorizer) == ["default"]


async def test_a_crowd_that_goes_on_asks_once_in_the_time_of_a_permission() -> None:
    authorizer = Authorizer(AccessStatus(allowed=True))
    await crowd(authorizer)
    for second in range(60):
        assert await authorizer.decide(ALICE, selected(second % 15 + 10)) == "allowed"
        authorizer.clock.advance(1)
    assert asked(authorizer) == ["default"] * 6


async def test_a_permission_that_was_taken_away_ends_with_its_time_for_a_crowd_too() -> None:
    authorizer = Authorizer(AccessStatus(allowed=True))
    await crowd(authorizer)
    assert await authorizer.decide(ALICE, selected(7)) == "allowed"
    authorizer.reviews.answer = AccessStatus(reason="no rule")
    authorizer.clock.advance(9.99)
    assert await authorizer.decide(ALICE, selected(8)) == "allowed"
    authorizer.clock.advance(0.01)
    assert await authorizer.decide(ALICE, selected(8)) == "forbidden: no rule"


async def test_selectors_of_many_namespaces_are_reviewed_as_the_list_of_all() -> None:
    authorizer = Authorizer(AccessStatus(allowed=True))
    for number in range(CROWD * CROWD):
        await crowd(authorizer, 1, f"ns-{number}")
    for number in range(40):
        assert await authorizer.decide(ALICE, selected(number, f"ns-{number + 20}")) == "allowed"
        assert await authorizer.decide(ALICE, PODS._replace(namespace=f"ns-{number + 20}")) == "allowed"
    assert asked(authorizer) == ["all"]


class Webhook(Reviews):
    """An API server that allows what it is told to, by the texts of `asked`."""

    def __init__(self, denied: set[str]) -> None:
        super().__init__(AccessStatus())
        self.denied = denied

    async def review(self, spec: dict[str, Any]) -> AccessStatus:
        about = spec["resourceAttributes"]
        text = about.get("namespace", "all") + ("/x" if "labelSelector" in about else "")
        self.answer = AccessStatus(allowed=text not in self.denied)
        return await super().review(spec)


async def test_who_may_not_see_the_whole_list_is_asked_about_one_by_one() -> None:
    authorizer = Authorizer(Webhook({"default", "all"}))
    await crowd(authorizer)
    for number in range(10, 10 + CROWD + 2):
        assert await authorizer.decide(ALICE, selected(number)) == "allowed"
    apps = [f"default/web-{number}" for number in range(10, 10 + CROWD + 2)]
    assert asked(authorizer) == ["default", *apps]
    # The whole list again after as many as at first, and once what was said of it has had its time.
    authorizer.clock.advance(10)
    assert await authorizer.decide(ALICE, selected(99)) == "allowed"
    assert asked(authorizer) == ["default", "default/web-99"]


async def test_who_may_see_one_namespace_is_asked_about_with_it() -> None:
    authorizer = Authorizer(Webhook({"all"}))
    await crowd(authorizer)
    for number in range(10, 70):
        assert await authorizer.decide(ALICE, selected(number)) == "allowed"
        authorizer.clock.advance(0.5)
    assert asked(authorizer) == ["default"] * 3


async def test_the_refused_are_no_crowd() -> None:
    authorizer = Authorizer(AccessStatus())
    await crowd(authorizer, 3 * CROWD)


async def test_a_crowd_is_one_of_the_same_caller_in_the_same_place() -> None:
    authorizer = Authorizer(AccessStatus(allowed=True))
    await crowd(authorizer)
    for user, attributes in (
        (ALICE._replace(name="bob"), selected(7)),
        (ALICE, selected(7, "kube-system")),
        (ALICE, selected(7)._replace(verb="watch")),
        (ALICE, selected(7)._replace(resource="nodes")),
    ):
        authorizer.reviews.specs.clear()
        assert await authorizer.decide(user, attributes) == "allowed"
        assert "labelSelector" in authorizer.reviews.specs[0]["resourceAttributes"]


async def test_a_crowd_that_went_away_is_none() -> None:
    authorizer = Authorizer(AccessStatus(allowed=True))
    await crowd(authorizer)
    authorizer.clock.advance(20)
    await crowd(authorizer)


async def test_without_a_cache_every_selector_is_reviewed() -> None:
    await crowd(Authorizer(AccessStatus(allowed=True), authorized_ttl_seconds=0), 3 * CROWD)


async def test_a_failure_of_the_wide_review_is_no_permission() -> None:
    authorizer = Authorizer(AccessStatus(allowed=True))
    await crowd(authorizer)
    authorizer.reviews.answer = KubeError("x", reason="connect")
    assert (await authorizer.decide(ALICE, selected(9))).startswith("undecided")


@pytest.mark.parametrize(("size", "n_asked"), [(MAX_KEPT_ATTRIBUTES, 1), (MAX_KEPT_ATTRIBUTES + 1, 2)])
async def test_decisions_on_large_requests_are_not_kept(size: int, n_asked: int) -> None:
    authorizer = Authorizer(AccessStatus(allowed=True))
    large = Attributes("get", "/" + "x" * (size - 4))
    assert large.size() == size
    for _ in range(2):
        assert await authorizer.decide(ALICE, large) == "allowed"
    assert len(authorizer.reviews.specs) == n_asked


async def test_the_server_is_not_asked_for_more_than_the_cache_holds_twice() -> None:
    authorizer = Authorizer(AccessStatus(allowed=True), max_entries=2)
    for path in ("/a", "/b", "/a", "/c", "/b"):
        await authorizer.decide(ALICE, Attributes("get", path))
    asked = [spec["nonResourceAttributes"]["path"] for spec in authorizer.reviews.specs]
    assert asked == ["/a", "/b", "/c", "/b"]


async def test_reviews_are_counted_by_status() -> None:
    authorizer = Authorizer(KubeError("x", 503, reason="status_503"))
    await authorizer.decide()
    authorizer.reviews.answer = AccessStatus()
    await authorizer.decide()
    sample = authorizer.registry.get_sample_value
    for code in ("503", "200"):
        assert sample("apiserver_delegated_authz_request_total", {"code": code}) == 1
        assert sample("apiserver_delegated_authz_request_duration_seconds_count", {"code": code}) == 1


def test_a_review_says_all_there_is_and_nothing_else() -> None:
    user = User("bob", ("g1",), "7", (("acme.com/proj", ("b",)), ("scopes", ("a",))))
    attributes = Attributes(
        "list", "/x", True, "metrics.k8s.io", "v1beta1", "pods", "status", "default", "web-1",
        (Condition("app", "In", ("x",)), Condition("y", "Exists", ())), (Condition("metadata.name", "NotIn", ("p",)),),
    )  # fmt: skip
    assert review_spec(user, attributes) == {
        "resourceAttributes": {
            "namespace": "default",
            "verb": "list",
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "resource": "pods",
            "subresource": "status",
            "name": "web-1",
            "fieldSelector": {"requirements": [{"key": "metadata.name", "operator": "NotIn", "values": ("p",)}]},
            "labelSelector": {
                "requirements": [{"key": "app", "operator": "In", "values": ("x",)}, {"key": "y", "operator": "Exists"}]
            },
        },
        "user": "bob",
        "groups": ("g1",),
        "extra": {"acme.com/proj": ("b",), "scopes": ("a",)},
        "uid": "7",
    }
    assert review_spec(User(), METRICS) == {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}}
