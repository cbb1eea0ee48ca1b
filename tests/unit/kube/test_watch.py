"""List and watch against a scripted API server: what the consumer hears, whatever the server does."""

from __future__ import annotations

import asyncio
import logging

import pytest
from prometheus_client import CollectorRegistry

from heapfast.clock import ManualClock
from heapfast.kube.access import ApiAccess
from heapfast.kube.client import KubeClient
from heapfast.kube.monitoring import KubeMonitoring, ResourceMonitoring
from heapfast.kube.pods import PODS, Pod
from heapfast.kube.watch import Reflector
from tests.unit.kube.api_server import Answer, ScriptedApi, answer, page, serve, status, watch

HTML = b"<html><body>Please log in</body></html>\n"


def pod(name: str, version: str = "1", **spec: object) -> dict[str, object]:
    return {"metadata": {"namespace": "shop", "name": name, "resourceVersion": version}, "spec": spec}


def bookmark(version: str) -> tuple[str, object]:
    return ("BOOKMARK", {"metadata": {"resourceVersion": version}})


class Recorder:
    """A consumer that notes what it hears, as short words."""

    def __init__(self, refuse: str = "") -> None:
        self.heard: list[str] = []
        self._refuse = refuse

    def upsert(self, item: Pod) -> None:
        self.heard.append(f"+{item.name}")
        if item.name == self._refuse:
            raise KeyError(item.name)

    def delete(self, key: str) -> None:
        self.heard.append(f"-{key}")

    def synced(self) -> None:
        self.heard.append("synced")


class Story:
    """What happened while a reflector went through a script."""

    def __init__(self) -> None:
        self.consumer = Recorder()
        self.registry = CollectorRegistry()
        self.waits: list[float] = []
        self.api = ScriptedApi()
        self.clock = ManualClock(1_700_000_000 * 10**9)

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"heapfast_kube_{name}", {"resource": "pods", **labels}) or 0

    @property
    def asked(self) -> list[str]:
        """Requests as short words: "list", "list+TOKEN", "watch@VERSION"."""
        return [
            f"watch@{request.query['resourceVersion']}"
            if "watch" in request.query
            else f"list+{request.query['continue']}"
            if "continue" in request.query
            else "list"
            for request in self.api.requests
        ]

    async def note_wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def run(self, client: KubeClient, until: asyncio.Event) -> None:
        """Run a reflector until an event is set."""
        reflector = Reflector(
            PODS,
            client,
            self.consumer,
            ResourceMonitoring(KubeMonitoring(self.registry), "pods"),
            clock=self.clock,
            random=lambda: 1.0,
            sleep=self.note_wait,
        )
        task = asyncio.create_task(reflector.run())
        reached = asyncio.create_task(until.wait())
        await asyncio.wait([task, reached], return_when=asyncio.FIRST_COMPLETED)
        assert not task.done(), "the reflector must never end by itself"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def follow(*script: Answer, consumer: Recorder | None = None, clock: ManualClock | None = None) -> Story:
    """Run a reflector until it asks for more than the script has."""
    story = Story()
    story.consumer = consumer or story.consumer
    story.clock = clock or story.clock
    async with serve(*script) as story.api, KubeClient(ApiAccess(server=story.api.url)) as client:
        await story.run(client, story.api.through)
    return story


async def test_a_list_is_announced_then_synced_then_watched_from_its_version() -> None:
    story = await follow(page(pod("a"), pod("b"), version="7"))
    assert story.consumer.heard == ["+a", "+b", "synced"]
    assert story.asked == ["list", "watch@7"]
    query = story.api.requests[1].query
    assert query["allowWatchBookmarks"] == "true"
    assert query["timeoutSeconds"] == "600"
    assert story.count("synced") == 1
    assert story.count("objects") == 2
    assert story.count("lists_total") == 1
    assert story.count("last_event_timestamp_seconds") == 1_700_000_000


async def test_a_list_is_read_page_by_page() -> None:
    story = await follow(page(pod("a"), then="t1"), page(pod("b"), then="t2"), page(pod("c"), version="9"))
    assert story.consumer.heard == ["+a", "+b", "+c", "synced"]
    assert story.asked == ["list", "list+t1", "list+t2", "watch@9"]
    assert story.api.requests[2].query["limit"] == "500"


async def test_an_empty_page_in_the_middle_is_no_end() -> None:
    story = await follow(page(then="t1"), page(pod("a")))
    assert story.consumer.heard == ["+a", "synced"]


@pytest.mark.parametrize("items", [None, []])
async def test_no_items_are_an_empty_list(items: list[object] | None) -> None:
    story = await follow(answer({"metadata": {"resourceVersion": "3"}, "items": items}))
    assert story.consumer.heard == ["synced"]
    assert story.asked == ["list", "watch@3"]


async def test_events_become_calls_and_move_the_version() -> None:
    story = await follow(
        page(pod("a")),
        watch(
            ("ADDED", pod("b", "101")),
            ("MODIFIED", pod("a", "102")),
            ("DELETED", pod("b", "103")),
            bookmark("110"),
        ),
    )
    assert story.consumer.heard == ["+a", "synced", "+b", "+a", "-shop/b"]
    assert story.asked == ["list", "watch@100", "watch@110"]
    assert story.waits == []
    assert [story.count("events_total", type=kind) for kind in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK")] == [1] * 4
    assert story.count("objects") == 1


async def test_a_deletion_of_what_was_never_announced_is_silent() -> None:
    story = await follow(page(), watch(("DELETED", pod("ghost", "101"))))
    assert story.consumer.heard == ["synced"]
    assert story.asked[-1] == "watch@101"


async def test_events_split_and_joined_by_the_network_are_whole() -> None:
    lines = b"".join(watch(("ADDED", pod("b", "101")), ("ADDED", pod("c", "102"))).chunks)
    story = await follow(page(), Answer([lines[:5], lines[5:40], lines[40:-1], lines[-1:]]))
    assert story.consumer.heard == ["synced", "+b", "+c"]


GONE = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}


@pytest.mark.parametrize("gone", [watch(("ERROR", GONE)), status(410)], ids=["event", "status"])
async def test_a_version_that_is_gone_is_listed_anew_and_what_vanished_is_deleted(gone: Answer) -> None:
    story = await follow(page(pod("a"), pod("b")), gone, page(pod("b"), pod("c"), version="200"))
    assert story.consumer.heard == ["+a", "+b", "synced", "+b", "+c", "-shop/a"]
    assert story.asked == ["list", "watch@100", "list", "watch@200"]
    assert story.count("errors_total", reason="status_410") == 1
    assert story.count("lists_total") == 2


async def test_a_continue_token_that_is_gone_starts_the_list_over() -> None:
    story = await follow(page(pod("a"), pod("b"), then="t1"), status(410), page(pod("b"), version="5"))
    # What only the broken list had is dropped when a whole list does not have it.
    assert story.consumer.heard == ["+a", "+b", "+b", "-shop/a", "synced"]
    assert story.asked == ["list", "list+t1", "list", "watch@5"]


async def test_a_broken_watch_goes_on_from_the_last_version() -> None:
    story = await follow(page(), watch(("ADDED", pod("a", "101")), is_cut=True), watch(("ADDED", pod("b", "102"))))
    assert story.consumer.heard == ["synced", "+a", "+b"]
    assert story.asked == ["list", "watch@100", "watch@101", "watch@102"]
    assert story.count("errors_total", reason="broken") == 1
    assert story.waits == [0.5]


async def test_a_line_that_was_cut_is_a_fault_and_its_event_comes_again() -> None:
    half = watch(("ADDED", pod("a", "101"))).chunks[0][:40]
    story = await follow(page(), watch(half), watch(("ADDED", pod("a", "101"))))
    assert story.consumer.heard == ["synced", "+a"]
    assert story.asked == ["list", "watch@100", "watch@100", "watch@101"]
    assert story.count("errors_total", reason="decode") == 1


async def test_html_instead_of_json_is_waited_out() -> None:
    story = await follow(answer(HTML), page(pod("a")), watch(HTML), watch(bookmark("101")))
    assert story.consumer.heard == ["+a", "synced"]
    assert story.count("errors_total", reason="decode") == 2


async def test_json_that_is_no_list_is_waited_out() -> None:
    story = await follow(answer({"kind": "Status", "code": 200}), page(pod("a")))
    assert story.consumer.heard == ["+a", "synced"]


@pytest.mark.parametrize("code", [401, 403, 404, 429, 500, 503, 302])
async def test_a_refused_list_is_tried_again(code: int) -> None:
    story = await follow(status(code), page(pod("a")))
    assert story.consumer.heard == ["+a", "synced"]
    assert story.count("errors_total", reason=f"status_{code}") == 1
    assert story.waits == [0.5]


async def test_the_server_may_ask_for_a_longer_wait() -> None:
    busy = answer(b"slow down", 429, Retry_After="17")
    busy_status = status(429, details={"retryAfterSeconds": 23})
    busy_event = watch(("ERROR", {"code": 429, "details": {"retryAfterSeconds": 29}}))
    story = await follow(busy, busy_status, page(), busy_event)
    assert story.waits == [17, 23, 29]


async def test_waits_grow_and_start_small_again_after_success() -> None:
    story = await follow(*[status(503)] * 8, page(), status(429))
    assert story.waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 0.5]


async def test_a_watch_that_ends_at_once_is_not_reopened_in_a_tight_loop() -> None:
    story = await follow(page(), watch(), watch())
    assert story.waits == [0.5, 1]
    assert story.count("errors_total", reason="short_watch") == 2


async def test_a_version_that_is_refused_three_times_is_listed_anew() -> None:
    story = await follow(page(), *[status(504)] * 3, page(pod("a"), version="8"))
    assert story.asked == ["list", *["watch@100"] * 3, "list", "watch@8"]
    assert story.consumer.heard == ["synced", "+a"]


async def test_a_server_that_is_only_busy_is_not_made_to_list() -> None:
    story = await follow(page(), *[status(429)] * 5)
    assert story.asked == ["list", *["watch@100"] * 6]


BROKEN_PODS: dict[str, object] = {
    "no name": {"metadata": {"namespace": "shop"}},
    "no namespace": {"metadata": {"name": "x"}},
    "no metadata": {"spec": {}},
    "not an object": 7,
    "mistyped name": {"metadata": {"namespace": "shop", "name": 5}},
    "mistyped containers": pod("x", containers="none"),
    "container without a name": pod("x", containers=[{"image": "i"}]),
    "mistyped labels": {"metadata": {"namespace": "shop", "name": "x", "labels": {"a": 1}}},
    "mistyped start": {"metadata": {"namespace": "shop", "name": "x"}, "status": {"startTime": "yesterday"}},
}


@pytest.mark.parametrize("broken", BROKEN_PODS.values(), ids=BROKEN_PODS)
async def test_objects_without_expected_members_cost_only_themselves(
    broken: object, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        story = await follow(
            page(pod("a"), broken, broken, pod("b")), watch(("MODIFIED", broken), ("ADDED", pod("c", "101")))
        )
    assert story.consumer.heard == ["+a", "+b", "synced", "+c"]
    assert story.count("bad_objects_total", reason="undecodable") >= 3
    assert story.waits == []
    assert len([record for record in caplog.records if "undecodable" in record.message]) == 1


async def test_an_object_that_became_unreadable_stays_as_it_was() -> None:
    story = await follow(
        page(pod("a"), pod("b")), status(410), page(pod("a", containers=7), version="200"), watch(("DELETED", pod("a")))
    )
    assert story.consumer.heard == ["+a", "+b", "synced", "-shop/b", "-shop/a"]


async def test_an_event_of_an_unknown_type_is_counted_and_passed_over() -> None:
    story = await follow(page(), watch(("RENAMED", pod("a", "101")), ("ADDED", pod("b", "102"))))
    assert story.consumer.heard == ["synced", "+b"]
    assert story.count("events_total", type="other") == 1


async def test_a_bad_quantity_costs_only_its_value(caplog: pytest.LogCaptureFixture) -> None:
    container = {"name": "c", "resources": {"requests": {"cpu": "lots"}}}
    with caplog.at_level(logging.WARNING):
        story = await follow(page(pod("a", containers=[container, container])))
    assert story.consumer.heard == ["+a", "synced"]
    assert story.count("bad_objects_total", reason="partial") == 2
    assert [record.message for record in caplog.records if "shop/a: container c requests: cpu" in record.message]


async def test_a_consumer_that_raises_loses_only_that_object(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        story = await follow(
            page(pod("a"), pod("b"), pod("c")), watch(("MODIFIED", pod("b", "101"))), consumer=Recorder(refuse="b")
        )
    assert story.consumer.heard == ["+a", "+b", "+c", "synced", "+b"]
    assert story.count("bad_objects_total", reason="consumer") == 2
    assert len([record for record in caplog.records if "consumer" in record.message]) == 1


async def test_connections_refused_are_waited_out(free_port: int) -> None:
    waited_twice = asyncio.Event()

    class Impatient(Story):
        async def note_wait(self, seconds: float) -> None:
            await super().note_wait(seconds)
            if len(self.waits) == 2:
                waited_twice.set()
                await asyncio.Event().wait()

    story = Impatient()
    async with KubeClient(ApiAccess(server=f"http://127.0.0.1:{free_port}")) as client:
        await story.run(client, waited_twice)
    assert story.waits == [0.5, 1]
    assert story.count("errors_total", reason="connect") == 2


async def test_a_server_that_went_away_is_found_again() -> None:
    is_refused, is_back, is_over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Patient(Story):
        async def note_wait(self, seconds: float) -> None:
            await super().note_wait(seconds)
            is_refused.set()
            await is_back.wait()

    story = Patient()
    async with serve(page(pod("a")), watch(("ADDED", pod("b", "101")))) as first:
        port = int(first.url.rpartition(":")[2])
        async with KubeClient(ApiAccess(server=first.url)) as client:
            running = asyncio.create_task(story.run(client, is_over))
            await first.through.wait()
            await first.stop()
            await is_refused.wait()
            async with serve(watch(("ADDED", pod("c", "102"))), port=port) as second:
                is_back.set()
                await second.through.wait()
                is_over.set()
                await running
    assert story.consumer.heard == ["+a", "synced", "+b", "+c"]
    assert second.requests[0].query["resourceVersion"] == "101"


async def test_an_outage_is_logged_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="heapfast.kube.watch"):
        await follow(*[status(503, "starting")] * 3, page())
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "starting" in caplog.records[0].message
    assert "after 3 failures" in caplog.records[1].message


async def test_a_bug_does_not_end_the_reflector(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(KubeClient):
        calls = 0

        async def get(self, path: str, params: object = None) -> bytes:
            Broken.calls += 1
            if Broken.calls == 1:
                raise RuntimeError("odd")
            return page(pod("a")).chunks[0]

    story = Story()
    async with serve() as story.api, Broken(ApiAccess(server=story.api.url)) as client:
        await story.run(client, story.api.through)
    assert story.consumer.heard == ["+a", "synced"]
    assert story.count("errors_total", reason="bug") == 1
    assert "BUG: pods" in caplog.text


async def test_a_long_list_lets_other_tasks_run() -> None:
    clock = ManualClock()
    turns = 0
    turns_seen: set[int] = set()

    class Slow(Recorder):
        def upsert(self, item: Pod) -> None:
            clock.advance(0.001)
            turns_seen.add(turns)

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(count_turns())
    await follow(page(*[pod(f"p{i}") for i in range(100)]), consumer=Slow(), clock=clock)
    counter.cancel()
    assert len(turns_seen) >= 33  # 100 objects of 1 ms each, in slices of 2 to 3 ms


async def test_looking_for_what_is_gone_lets_other_tasks_run() -> None:
    """Found by the bench: going through 150,000 keys in one go held the loop for 30 ms."""

    class Ticking(ManualClock):
        def monotonic(self) -> float:
            self.advance(0.0001)  # each look at the clock stands for some work
            return super().monotonic()

    turns = 0
    turns_at: dict[str, int] = {}

    class Noting(Recorder):
        def upsert(self, item: Pod) -> None:
            turns_at["last upsert"] = turns

        def synced(self) -> None:
            turns_at["synced"] = turns

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(count_turns())
    await follow(page(*[pod(f"p{i}") for i in range(400)]), consumer=Noting(), clock=Ticking())
    counter.cancel()
    assert turns_at["synced"] - turns_at["last upsert"] >= 15  # 400 keys of 0.1 ms each, in slices of 2 ms
