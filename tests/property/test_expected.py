"""Answers of /metrics/resource that change as nodes' do: each sample reaches the container that it names, and no other.

The naive store next door (test_store.py) sees short answers in any order; here they are as long as a node's, and mostly
as they were.
"""

from __future__ import annotations

from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.wire._resource import parse_resource
from heapfast.wire._rows import Rows

SECOND_NS: Final = 1_000_000_000
START_S: Final = 1_767_300_000
RESOLUTION_S: Final = 15
#: After which nothing shows who has not been heard of.
FORGOTTEN_S: Final = 1_000

Name = tuple[str, str, str]

# Few, so that pods come back, move, and have namesakes in the other namespace.
names = st.tuples(
    st.sampled_from(["a", "b"]), st.integers(0, 20).map("web-{}".format), st.sampled_from(["app", "sidecar", "x" * 70])
)
places = st.integers(0, 200)


class Nodes(RuleBasedStateMachine):
    """Two kubelets, what they run in the order in which they say so, and the store that asks both."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store(resolution_ns=RESOLUTION_S * SECOND_NS)
        self.slots = [self.store.put_node(name, hostname=name, host_id="", labels="") for name in ("n1", "n2")]
        self.run: tuple[list[Name], list[Name]] = ([], [])
        self.now_s = START_S
        self.said = 0
        self.rows = Rows()

    @initialize(one=st.lists(names, unique=True, max_size=60))
    def start(self, one: list[Name]) -> None:
        self.run[0].extend(one)
        self.ask_all()

    @rule(on=st.integers(0, 1), at=places, new=st.lists(names, unique=True, max_size=4))
    def come(self, on: int, at: int, new: list[Name]) -> None:
        """Containers start somewhere in the order."""
        free = [name for name in new if name not in self.run[0] and name not in self.run[1]]
        place = at % (len(self.run[on]) + 1)
        self.run[on][place:place] = free

    @rule(on=st.integers(0, 1), at=places, count=st.integers(1, 5))
    def go(self, on: int, at: int, count: int) -> None:
        place = at % (len(self.run[on]) + 1)
        del self.run[on][place : place + count]

    @rule(on=st.integers(0, 1), at=places, count=st.integers(1, 5))
    def move(self, on: int, at: int, count: int) -> None:
        """They run on the other node from now on."""
        place = at % (len(self.run[on]) + 1)
        moved = self.run[on][place : place + count]
        del self.run[on][place : place + count]
        self.run[1 - on].extend(moved)

    @rule(on=st.integers(0, 1), random=st.randoms(use_true_random=False))
    def shuffle(self, on: int, random: object) -> None:
        random.shuffle(self.run[on])  # type: ignore[attr-defined]

    @rule(on=st.integers(0, 1))
    def sort(self, on: int) -> None:
        """As kubelets do."""
        self.run[on].sort(key=lambda name: (name[2], name[0], name[1]))

    @rule()
    def forget(self) -> None:
        """Nobody answers, until slots are given back and the next ones get them."""
        for _ in range(3):
            self.now_s += FORGOTTEN_S
            self._close()

    @rule(again=st.booleans())
    def ask_all(self, again: bool = False) -> None:
        """Each answers, once or twice in a window; a line that comes twice counts as the later."""
        self.now_s += RESOLUTION_S
        wanted: dict[Name, int] = {}
        for on in (0, 1, 0) if again else (0, 1):
            wanted |= self._ask(on)
        self._close()
        newest = self.store.newest
        assert newest is not None
        memory = self.store.metric_id("memory/working_set")
        for name in self.run[0] + self.run[1]:
            slot = self.store.find(Kind.POD_CONTAINER, *name)
            assert newest.value(Kind.POD_CONTAINER, slot, memory) == wanted[name], name
        shown = newest.keys()
        assert sum("/container:" in key for key in shown) == len(wanted)

    def _ask(self, on: int) -> dict[Name, int]:
        lines, wanted = [], {}
        for name in [*self.run[on], *self.run[on][:1]]:
            self.said += 1
            wanted[name] = self.said
            labels = 'namespace="{}",pod="{}",container="{}"'.format(*name)
            lines.append(f"container_memory_working_set_bytes{{{labels}}} {self.said} {self.now_s * 1000}")
        body = "\n".join(["node_memory_working_set_bytes 7", *lines, ""]).encode()
        parse_resource(body, self.rows, self.now_s * SECOND_NS)
        self.store.ingest(self.rows, self.slots[on], self.now_s * SECOND_NS)
        return wanted

    def _close(self) -> None:
        closing = self.store.swap(self.now_s * SECOND_NS)
        closing.run()
        self.store.commit(closing, self.now_s * SECOND_NS)


TestNodes = Nodes.TestCase
TestNodes.settings = settings(max_examples=100, stateful_step_count=20, deadline=None, derandomize=True)
