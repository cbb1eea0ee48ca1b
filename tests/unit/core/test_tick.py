"""The tick: spare, swap, run, commit; in order, out of order, and with answers coming in meanwhile."""

from __future__ import annotations

import gc
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from heapfast._batch import Batch
from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.errors import StoreError
from tests.unit.core.cluster import WEB, Cluster, spec
from tests.unit.store.rows import SECOND_NS, T0_NS, Row, container, custom, node, pod, resource

SHOP = ("namespace:shop", "namespace:shop/pod:web", "namespace:shop/pod:web/container:c")


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def test_batches_count_from_one_without_gaps(cluster: Cluster) -> None:
    assert [cluster.tick().seq for _ in range(3)] == [1, 2, 3]


def test_a_batch_is_stamped_and_closed_by_its_tick(cluster: Cluster) -> None:
    batch = cluster.tick()
    assert (batch.timestamp_ns, batch.closed) == (cluster.at, True)
    assert cluster.store.newest is batch


@pytest.mark.parametrize("earlier_ns", [0, 1, 10**18])
def test_a_batch_must_be_newer_than_the_newest(cluster: Cluster, earlier_ns: int) -> None:
    cluster.tick(node(metrics={"memory/usage": 1}))
    with pytest.raises(StoreError, match="want later than"):
        cluster.store.swap(cluster.at - earlier_ns)
    assert cluster.tick().seq == 2


def test_one_batch_is_closed_at_a_time(cluster: Cluster) -> None:
    closing = cluster.swap()
    with pytest.raises(StoreError, match="BUG: swap while"):
        cluster.store.swap(cluster.at + 1)
    closing.run()
    cluster.store.commit(closing, cluster.at)


def test_a_batch_is_run_once(cluster: Cluster) -> None:
    closing = cluster.swap()
    closing.run()
    with pytest.raises(StoreError, match="closed once"):
        closing.run()
    assert cluster.store.commit(closing, cluster.at).seq == 1


def test_a_batch_is_committed_once(cluster: Cluster) -> None:
    closing = cluster.swap()
    closing.run()
    cluster.store.commit(closing, cluster.at)
    with pytest.raises(StoreError, match="not being closed"):
        cluster.store.commit(closing, cluster.at)


def test_a_batch_of_another_store_is_not_committed(cluster: Cluster) -> None:
    other = Cluster()
    closing = other.swap()
    closing.run()
    with pytest.raises(StoreError, match="not being closed"):
        cluster.store.commit(closing, cluster.at)
    assert other.store.commit(closing, other.at).seq == 1


def test_a_batch_that_was_not_run_is_lost_and_the_next_goes_on(cluster: Cluster) -> None:
    cluster.tick(node(metrics={"memory/usage": 1}))
    cluster.ingest(node(metrics={"memory/usage": 2}))
    closing = cluster.swap()
    with pytest.raises(StoreError, match="batch 2: it was not closed"):
        cluster.store.commit(closing, cluster.at)
    cluster.tick(node(metrics={"memory/usage": 3}))
    assert cluster.series("memory/usage", Kind.NODE, "n1") == [1, 3]


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(lambda store: store.put_namespace("shop", "uid"), id="put_namespace"),
        pytest.param(lambda store: store.remove_namespace("shop"), id="remove_namespace"),
        pytest.param(lambda store: store.put_node("n1", hostname="", host_id="", labels=""), id="put_node"),
        pytest.param(lambda store: store.remove_node("n1"), id="remove_node"),
        pytest.param(lambda store: store.put_pod("shop", "web", uid="", labels=""), id="put_pod"),
        pytest.param(lambda store: store.remove_pod("shop", "web"), id="remove_pod"),
    ],
)
def test_the_api_servers_word_waits_until_commit(cluster: Cluster, word: object) -> None:
    assert callable(word)
    cluster.store.put_namespace("shop", "uid")
    closing = cluster.swap()
    with pytest.raises(StoreError, match="while a batch is being closed"):
        word(cluster.store)
    closing.run()
    cluster.store.commit(closing, cluster.at)
    word(cluster.store)


def test_an_unused_spare_costs_nothing(cluster: Cluster) -> None:
    cluster.store.make_spare().prepare()
    cluster.tick(node(metrics={"memory/usage": 1}))
    cluster.tick(node(metrics={"memory/usage": 2}))
    assert cluster.series("memory/usage", Kind.NODE, "n1") == [1, 2]


def test_a_spare_serves_with_or_without_being_prepared(cluster: Cluster) -> None:
    for number in range(4):
        cluster.ingest(node(metrics={"memory/usage": number}))
        spare = cluster.store.make_spare()
        if number % 2:
            spare.prepare()
        cluster.at += SECOND_NS
        closing = cluster.store.swap(cluster.at, spare)
        closing.run()
        cluster.store.commit(closing, cluster.at)
    assert cluster.series("memory/usage", Kind.NODE, "n1") == [0, 1, 2, 3]


def tick_with_spare(cluster: Cluster) -> None:
    """Closes a batch as the daemon does: the next one has been prepared."""
    spare = cluster.store.make_spare()
    spare.prepare()
    cluster.at += 15 * SECOND_NS
    closing = cluster.store.swap(cluster.at, spare)
    closing.run()
    cluster.store.commit(closing, cluster.at)


def test_a_prepared_spare_starts_without_samples(cluster: Cluster) -> None:
    cluster.ingest(node(metrics={"memory/usage": 1}, resources=[resource("filesystem", "/", usage=1)]))
    tick_with_spare(cluster)
    assert cluster.tick().keys() == ["cluster"]


def test_room_that_newcomers_did_not_take_is_no_part_of_a_closed_batch(cluster: Cluster) -> None:
    """A spare has room for 64 entities more than there are, in each of its columns."""
    cluster.tick(node(metrics={"memory/usage": 1}))
    tick_with_spare(cluster)
    cluster.ingest(node(metrics={"memory/usage": 2}))
    room = cluster.store.stats()["open_bytes"]
    batch = cluster.tick()
    assert batch.names(Kind.NODE) == ["n1"]
    size = cluster.store.stats()["newest_bytes"]
    assert isinstance(room, int)
    assert isinstance(size, int)
    assert room - size >= 64 * 8


def test_columns_that_nobody_fills_are_not_made_for_ever(cluster: Cluster) -> None:
    """A spare has the columns of the open batch: those of custom metrics whose pods were gone stayed."""

    def tick(*rows: Row) -> int:
        cluster.ingest(*rows)
        tick_with_spare(cluster)
        size = cluster.store.stats()["open_bytes"]
        assert isinstance(size, int)
        return size

    rows = [container("a", f"p{n}", "c", {"memory/usage": 1}, at=cluster.at) for n in range(100)]
    lean = [tick(*rows) for _ in range(3)][-1]
    customs = container("a", "p0", "c", custom=[custom(f"m{n}", n) for n in range(50)])
    fat = [tick(*rows, customs) for _ in range(3)][-1]
    assert fat >= lean + 50 * 100 * 8
    assert [tick(*rows) for _ in range(3)][-1] == lean


def test_a_spare_fits_the_batch_it_was_made_for(cluster: Cluster) -> None:
    stale = cluster.store.make_spare()
    cluster.tick()
    with pytest.raises(StoreError, match="not made for it"):
        cluster.store.swap(cluster.at + 1, stale)
    with pytest.raises(StoreError, match="not made for it"):
        cluster.store.swap(cluster.at + 1, Store().make_spare())
    assert cluster.tick().seq == 2


def test_an_unused_spare_does_not_free_what_its_twin_shows(cluster: Cluster) -> None:
    """Two spares have one number; when one was dropped, the ledger forgot both, and texts went under a living batch."""
    unused = cluster.store.make_spare()
    cluster.tick()
    del unused
    gc.collect()
    held = cluster.tick(*cluster.web(1, image="image:first"))
    want = held.sets()
    for number in range(100):
        cluster.tick(*cluster.web(1, image=f"image:{number}"))
        if number == 0:
            assert cluster.store.stats()["retired_texts"] == 1
    assert cluster.store.stats()["retired_texts"] >= 100
    assert held.sets() == want
    del held
    cluster.tick()
    assert cluster.store.stats()["retired_texts"] < 20


def test_a_batch_that_was_made_ready_holds_what_answers_said_and_nothing_else(cluster: Cluster) -> None:
    """Columns are filled where an answer comes, a few hundred slots at a time; the rest is filled when it closes."""
    draw = random.Random(6)
    n_pods = 3_000
    usage = cluster.store.metric_id("memory/usage")
    for number in range(n_pods):
        cluster.ingest(container("ns", f"p{number}", "c", {"memory/usage": 1}, at=cluster.at))
    cluster.tick()
    for tick in range(6):
        spare = cluster.store.make_spare()
        spare.prepare()
        closing = cluster.store.swap(cluster.at + 1, spare)
        closing.run()
        cluster.store.commit(closing, cluster.at + 1)
        cluster.at += 15 * SECOND_NS
        told = {f"p{number}": draw.getrandbits(40) for number in draw.sample(range(n_pods), (1, 40, 600)[tick % 3])}
        for name, value in told.items():
            # A column that nobody had before comes in the middle.
            more = {"custom": [custom(f"new-{tick}", value)]} if value % 5 == 0 else {}
            cluster.ingest(container("ns", name, "c", {"memory/usage": value}, at=cluster.at, **more))
        if tick == 4:
            # More newcomers than there is room for.
            told |= {f"more-{number}": number for number in range(1_000)}
            for name in told.keys() - {f"p{number}" for number in range(n_pods)}:
                cluster.ingest(container("ns", name, "c", {"memory/usage": told[name]}, at=cluster.at))
        batch = cluster.tick()
        new = cluster.store.metric_id(f"custom/new-{tick}")
        assert len(batch.names(Kind.POD_CONTAINER)) == len(told)
        for slot in range(cluster.store.stats()["slots"][Kind.POD_CONTAINER]):
            name = cluster.store.name(Kind.POD, cluster.store.parent(Kind.POD_CONTAINER, slot))
            assert batch.value(Kind.POD_CONTAINER, slot, usage) == told.get(name)
            is_new = name in told and name.startswith("p") and told[name] % 5 == 0
            assert batch.value(Kind.POD_CONTAINER, slot, new) == (told[name] if is_new else None)


def test_what_a_batch_had_is_swept_once_nobody_reads_it(cluster: Cluster) -> None:
    first = cluster.tick(*cluster.web(1))
    want = first.sets()
    cluster.tick(*cluster.web(2))
    assert cluster.store.stats()["dead_parts"] == 0
    cluster.store.sweep()
    assert first.sets() == want
    del first
    assert cluster.store.stats()["dead_parts"] == 1
    cluster.tick(*cluster.web(3))
    # Closing swept the first; the second went with the commit.
    assert cluster.store.stats()["dead_parts"] == 1
    cluster.store.sweep()
    assert cluster.store.stats()["dead_parts"] == 0
    assert cluster.series("cpu/usage", Kind.POD_CONTAINER, *WEB, "c") == [1, 2, 3]


def test_a_batch_outlives_its_store(cluster: Cluster) -> None:
    batch = cluster.tick(*cluster.web(1))
    want = batch.sets()
    cluster.store = Store()
    gc.collect()
    assert batch.sets() == want
    assert want["namespace:shop/pod:web"]["labels"]["nodename"] == "n1"


def _keys_but_of_b(batch: Batch) -> set[str]:
    return {key for key in batch.sets() if not key.startswith("namespace:b")}


def test_answers_that_come_while_a_batch_is_closed_belong_to_the_next(cluster: Cluster) -> None:
    """Hundreds of new entities a tick, so that every table and frame moves under the thread that closes."""
    rows = [row for n in range(400) for row in (pod("a", f"p{n}", at=T0_NS), container("a", f"p{n}", "c", at=T0_NS))]
    cluster.put_web(spec("c", cpu_request_millicores=100))
    with ThreadPoolExecutor(1) as pool:
        for number in range(20):
            cluster.ingest(*cluster.web(1), *rows)
            closing = cluster.swap()
            running = pool.submit(closing.run)
            for fresh in range(5):
                name = f"t{number}-{fresh}"
                cluster.ingest(
                    *(container("b", f"{name}-{n}", "c", {"memory/usage": 1}, image=f"{name}:{n}") for n in range(50)),
                    *cluster.web(5, image=name),
                )
            running.result()
            batch = cluster.store.commit(closing, cluster.at)
            assert len(_keys_but_of_b(batch)) == len({"cluster", "a", "shop", "web", "c"}) + 2 * 400
            assert batch.names(Kind.NAMESPACE) == ["a", "shop"]
            assert cluster.value("cpu/request", Kind.POD, *WEB) == 100
            batch = cluster.tick()
            assert _keys_but_of_b(batch) == {"cluster", *SHOP}
            assert batch.names(Kind.NAMESPACE) == ["b", "shop"]
            assert cluster.value("memory/usage", Kind.NAMESPACE, "b") == 250


def test_stubs_are_there_for_one_batch_only(cluster: Cluster) -> None:
    cluster.put_web(spec("c", cpu_request_millicores=5), spec("d", cpu_request_millicores=7))
    batch = cluster.tick(pod(*WEB, at=cluster.at))
    assert batch.names(Kind.POD_CONTAINER) == ["c", "d"]
    assert cluster.value("cpu/request", Kind.POD, *WEB) == 12
    assert cluster.tick().keys() == ["cluster"]
