"""What a sink is, and what it is made from.

In      nothing; these are the types
Out     Sink and Chunk, which the manager drives; SinkSpec, HistorySpec and SinkUri, between config and sinks; Secret
Callers every module of this folder, config.sinks
Source  spec/heapster-pipeline.md 3.1 and 6.2
Never   sends anything

To add a sink, copy a file such as graphite.py and add a line to kinds.py:

    read_NAME(uri)      reads and checks the options of one --sink; gives a spec, a frozen struct that can be shown
    NameSpec.build()    makes the sink; nothing is connected yet
    NameSink.chunks()   gives a reader of one batch, usually a writer on top of _walk.pyx (its .pxd says how)
    NameSink.send()     brings one chunk there; connects when there is no connection; raises SinkError when it fails
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from heapfast._batch import Batch
    from heapfast.clock import Clock
    from heapfast.history.backend import HistoryBackend


class Chunk(NamedTuple):
    """A part of one batch that is sent, and sent again, as a whole.

    Attributes:
        payload: what `Sink.send` takes: bytes, or a list of them where each is a message of its own.
        samples: how many samples are in it.
    """

    payload: Any
    samples: int


class Chunks(Protocol):
    """One batch, chunk by chunk. Read in threads, never by two at a time."""

    def read(self) -> Chunk | None:
        """Renders the next chunk; None at the end."""


class Sink(Protocol):
    """One place that batches go to. On the loop, but for what `chunks` gives.

    Attributes:
        name: Heapster's name for it, as in its `exporter` labels.
        place: where it is, for people; never with a secret in it.
    """

    name: str
    place: str

    def chunks(self, batch: Batch) -> Chunks:
        """Gives a reader of one batch. Called in a thread."""

    async def send(self, payload: Any) -> None:
        """Brings one chunk there; it may be cancelled, and sent again.

        Raises:
            SinkError: it did not arrive; says whether trying again can help.
        """

    async def close(self) -> None:
        """Lets go of connections. Nothing is sent afterwards."""


class SinkSpec(Protocol):
    """A sink as its URI describes it; a frozen msgspec struct, its secrets in Secret."""

    def build(self, executor: Executor) -> Sink:
        """Makes the sink, without connecting.

        Args:
            executor: has threads for calls that block.
        """


class HistorySpec(SinkSpec, Protocol):
    """A sink whose store can be asked for history, too."""

    def build_history(self, clock: Clock) -> HistoryBackend:
        """Makes the backend, without connecting.

        Raises:
            ConfigError: a file that its URI names cannot be used.
        """


class SinkUri(Protocol):
    """One --sink whose key is known. What is wrong with an option is noted, and its default is given instead.

    Attributes:
        shard: "i/n" of a replica that has only a share of the nodes (--shard); "" for the only one.
    """

    scheme: str
    host: str
    path: str
    shard: str

    def text(self, option: str, default: str = "") -> str: ...
    def texts(self, option: str) -> tuple[str, ...]:
        """Every value of an option that may be repeated."""

    def secret(self, option: str, default: str = "") -> Secret: ...
    def variable(self, *names: str) -> Secret:
        """The first of these variables of the environment that is set and not empty; empty when none is."""

    def switch(self, option: str, default: bool) -> bool: ...
    def integer(self, option: str, default: int, *, least: int) -> int: ...
    def number(self, option: str, default: float) -> float: ...
    def choice(self, option: str, default: str, choices: Sequence[str]) -> str: ...
    def address(self, default_host: str, default_port: int) -> Address:
        """Host and port of the URL, each with its default."""

    def refuse(self, got: object, want: str) -> None:
        """Notes a fault of the URI as a whole; `got` must not show a secret."""


ReadUri = Callable[[SinkUri], SinkSpec]


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Secret:
    """A text that does not show itself, whoever prints the struct that has it."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "***" if self._text else ""

    def reveal(self) -> str:
        """The text, for the wire alone."""
        return self._text
