"""The entity table against a dict, under churn that keeps its probe runs long.

In      names that come, go and come back, in an order that hypothesis draws
Out     each name has one slot for as long as it is there, found under its own owner only
Callers pytest; tests/compiled/_entities_probe.pyx reaches the C table
"""

from __future__ import annotations

import random
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.sim._rows import rows_of
from tests.compiled.build import build_probe
from tests.unit.store.rows import container

SECOND_NS = 1_000_000_000
#: Owners that differ in a bit of slot, kind or type; kind 6 is KIND_RESOURCE.
OWNERS = [(slot, kind, type_) for slot in (0, 1, 256, 65_536) for kind in (2, 3) for type_ in (0, 1)]


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return build_probe("_entities_probe", tmp_path_factory.mktemp("probe"))


@settings(derandomize=True, database=None, deadline=None, max_examples=30)
@given(st.integers(0, 1 << 32), st.integers(1, 400))
def test_a_table_is_a_dict(probe: ModuleType, seed: int, n_names: int) -> None:
    draw = random.Random(seed)
    table = probe.Table(n_owners=65_537)
    known: dict[tuple[Any, bytes], int] = {}
    keys = [
        (draw.choice(OWNERS), draw.choice((b"", b"/", b"logs", b"12345678")) + b"%d" % (i // 3)) for i in range(n_names)
    ]
    for _ in range(1500):
        owner, name = draw.choice(keys)
        if (owner, name) in known and draw.random() < 0.5:
            table.remove(known.pop((owner, name)))
        else:
            slot = table.find_or_add(*owner, name)
            assert known.setdefault((owner, name), slot) == slot
    for owner, name in keys:
        assert table.find(*owner, name) == known.get((owner, name), -1)
    assert len(set(known.values())) == len(known) == table.n_used()
    # Slots are reused before new ones are made.
    assert table.n() <= len(set(keys))
    assert table.children() == len(known)


def test_names_that_hash_alike_are_told_apart_by_bytes(probe: ModuleType) -> None:
    """200,000 names of one owner: some two of them share all 32 bits of hash."""
    table = probe.Table(n_owners=1)
    slots = [table.find_or_add(0, 2, 0, b"%d" % i) for i in range(200_000)]
    assert slots == list(range(200_000))
    assert all(table.find(0, 2, 0, b"%d" % i) == i for i in range(200_000))


@settings(derandomize=True, database=None, deadline=None, max_examples=20)
@given(st.integers(0, 1 << 32))
def test_texts_stay_what_they_are_while_others_come_and_go(probe: ModuleType, seed: int) -> None:
    draw = random.Random(seed)
    texts = probe.Texts()
    known: dict[int, bytes] = {}
    for _ in range(3000):
        if known and draw.random() < 0.45:
            address = draw.choice(list(known))
            texts.drop(address)
            del known[address]
        else:
            content = draw.randbytes(draw.choice((0, 1, 7, 8, draw.randrange(40), draw.randrange(400))))
            address = texts.make(content)
            assert address not in known
            known[address] = content
    for address, content in known.items():
        assert texts.read(address) == content + b"\0"
        texts.drop(address)


def test_texts_that_are_dropped_make_room_for_others(probe: ModuleType) -> None:
    texts = probe.Texts()
    sizes = list(range(120)) * 50
    first = [texts.make(b"x" * size) for size in sizes]
    n_chunks = texts.n_chunks()
    for _ in range(5):
        for address in first:
            texts.drop(address)
        random.Random(1).shuffle(sizes)
        first = [texts.make(b"y" * size) for size in sizes]
    assert texts.n_chunks() == n_chunks
    for address in first:
        texts.drop(address)


def test_what_is_interned_is_there_once(probe: ModuleType) -> None:
    texts = probe.Texts()
    for content in (b"", b"logs", b"v" * 119, b"w" * 120, b"x" * 4000):
        address = texts.intern(content)
        assert texts.intern(content) == address
        other = texts.make(content)
        assert other != address
        assert texts.read(address) == texts.read(other) == content + b"\0"
        texts.drop(other)


def test_pods_that_come_and_go_keep_their_values_to_themselves() -> None:
    """The same through the front door: a slot never shows what its former owner did."""
    draw = random.Random(5)
    store = Store(short_retention_ns=20 * SECOND_NS, long_retention_ns=50 * SECOND_NS)
    node = store.put_node("n", hostname="", host_id="", labels="")
    told: dict[str, list[tuple[int, int]]] = {}
    for tick in range(1, 150):
        at = tick * 15 * SECOND_NS
        rows = []
        for name in draw.sample([f"p{i}" for i in range(60 + tick)], 40):
            value = draw.getrandbits(40)
            told.setdefault(name, []).append((at, value))
            rows.append(container("a", name, "c", {"memory/usage": value}, at=at))
        store.ingest(rows_of(rows), node, at)
        closing = store.swap(at)
        closing.run()
        store.commit(closing, at)
        for name, values in told.items():
            slot = store.find(Kind.POD_CONTAINER, "a", name, "c")
            want = [point for point in values if point[0] > at - 50 * SECOND_NS]
            if slot < 0:
                assert want == []
            else:
                usage = store.metric_id("memory/usage")
                assert store.series(Kind.POD_CONTAINER, slot, usage, 0, at) == want
    assert store.stats()["slots"][Kind.POD] < 200
