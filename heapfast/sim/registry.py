"""Objects of one kind, in key order, with the events that led to them.

In      puts and removals, in order
Out     lists by key range, events since a version, 410 when those are forgotten
Callers cluster (writes), lists.py and watches.py (read)
Source  the API server's list and watch semantics: one version counter for all kinds, a bounded window
Never   copies an object: who puts one does not change it afterwards

    events:  [ forgotten ... | compacted_version < v0 < v1 < ... < vn ]
                               a watch may start anywhere from here on
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

from heapfast.errors import HeapfastError


class Versioned(Protocol):
    """What a registry holds: something that carries the version it was last changed at."""

    resource_version: int


T = TypeVar("T", bound=Versioned)


class Expired(HeapfastError):
    """Events that were asked for are no longer known; list again (HTTP 410)."""

    def __init__(self, version: int, compacted: int) -> None:
        self.version = version
        super().__init__(f"too old resource version: {version} ({compacted})")


class Event(NamedTuple, Generic[T]):
    """One change: `old` is None for a new object, `new` is None for one that went."""

    version: int
    old: T | None
    new: T | None


class Versions:
    """The version counter that all registries of a cluster share."""

    def __init__(self) -> None:
        self.newest = 0

    def next(self) -> int:
        self.newest += 1
        return self.newest


class Registry(Generic[T]):
    """All objects of one kind.

    Attributes:
        items: by key, which is "name" or "namespace/name".
        compacted_version: events up to and including this version are forgotten.
    """

    def __init__(self, versions: Versions, window: int) -> None:
        """Args: window: how many events are kept, at least 1."""
        self.items: dict[str, T] = {}
        self.compacted_version = 0
        self._keys: list[str] = []
        self._versions = versions
        self._window = window
        self._events: list[Event[T]] = []
        self._listeners: set[Callable[[], None]] = set()

    @property
    def newest_version(self) -> int:
        """The version a list made now carries. It may be that of another kind's change."""
        return self._versions.newest

    def __len__(self) -> int:
        return len(self.items)

    def fill(self, items: dict[str, T]) -> None:
        """Starts with these objects, which have their versions, without events."""
        self.items = items
        self._keys = sorted(items)
        self.compact()

    def put(self, key: str, new: T) -> None:
        """Adds or replaces an object and gives it its version."""
        old = self.items.get(key)
        if old is None:
            insort(self._keys, key)
        new.resource_version = self._versions.next()
        self.items[key] = new
        self._record(Event(new.resource_version, old, new))

    def remove(self, key: str) -> T:
        """Removes an object, which must be there."""
        old = self.items.pop(key)
        del self._keys[bisect_left(self._keys, key)]
        self._record(Event(self._versions.next(), old, None))
        return old

    def compact(self) -> None:
        """Forgets all events so far: whoever watches from an older version gets Expired."""
        self._events.clear()
        self.compacted_version = self._versions.newest
        self._notify()

    def keys(self, namespace: str | None, after: str = "") -> list[str]:
        """Keys in order, of one namespace or all, that come after the given one."""
        if namespace is None:
            return self._keys[bisect_right(self._keys, after) :] if after else list(self._keys)
        # "0" is the character after "/".
        start = bisect_left(self._keys, f"{namespace}/")
        stop = bisect_left(self._keys, f"{namespace}0")
        if after:
            start = max(start, bisect_right(self._keys, after))
        return self._keys[start:stop]

    def key_at(self, index: int) -> str:
        """The key at a place in key order; churn picks by it."""
        return self._keys[index]

    def iter_events(self, after_version: int) -> Iterator[Event[T]]:
        """Events newer than a version, oldest first.

        Raises:
            Expired: some of them are forgotten.
        """
        if after_version < self.compacted_version:
            raise Expired(after_version, self.compacted_version)
        start = bisect_right(self._events, after_version, key=lambda event: event.version)
        return iter(self._events[start:])

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener` after each change until the returned function is called."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def _record(self, event: Event[T]) -> None:
        self._events.append(event)
        if len(self._events) > 2 * self._window:
            # Cut in halves, so that the cost of an event stays constant.
            del self._events[: -self._window]
            self.compacted_version = self._events[0].version - 1
        self._notify()

    def _notify(self) -> None:
        for listener in list(self._listeners):
            listener()
