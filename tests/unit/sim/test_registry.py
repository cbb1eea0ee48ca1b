"""Registries: versions rise, events can be followed, and old ones are forgotten."""

import pytest

from heapfast.sim.registry import Expired, Registry, Versions


class Thing:
    def __init__(self, name: str) -> None:
        self.name = name
        self.resource_version = 0


def make(window: int = 100) -> Registry[Thing]:
    registry: Registry[Thing] = Registry(Versions(), window)
    registry.fill({})
    return registry


def story(registry: Registry[Thing], after: int) -> list[tuple[str, str]]:
    """Events as (what, name)."""
    told = []
    for event in registry.iter_events(after):
        what = "added" if event.old is None else "deleted" if event.new is None else "modified"
        thing = event.new or event.old
        assert thing is not None
        told.append((what, thing.name))
    return told


def test_events_tell_what_happened_after_a_version() -> None:
    registry = make()
    registry.put("a", Thing("a"))
    version = registry.newest_version
    registry.put("b", Thing("b"))
    registry.put("a", Thing("a"))
    registry.remove("b")
    assert story(registry, version) == [("added", "b"), ("modified", "a"), ("deleted", "b")]
    assert story(registry, 0) == [("added", "a"), *story(registry, version)]
    assert story(registry, registry.newest_version) == []


def test_registries_share_one_counter() -> None:
    versions = Versions()
    first: Registry[Thing] = Registry(versions, 10)
    second: Registry[Thing] = Registry(versions, 10)
    first.put("a", Thing("a"))
    second.put("b", Thing("b"))
    assert [first.items["a"].resource_version, second.items["b"].resource_version] == [1, 2]
    assert first.newest_version == 2


def test_a_version_older_than_the_window_has_expired() -> None:
    registry = make(window=5)
    for index in range(20):
        registry.put(f"{index:02d}", Thing(f"{index:02d}"))
    assert 5 <= len(story(registry, registry.compacted_version)) <= 10
    with pytest.raises(Expired, match="too old resource version: 1"):
        registry.iter_events(1)
    with pytest.raises(Expired):
        registry.iter_events(registry.compacted_version - 1)


def test_compaction_forgets_everything_so_far() -> None:
    registry = make()
    registry.put("a", Thing("a"))
    registry.put("b", Thing("b"))
    registry.compact()
    assert story(registry, 2) == []
    with pytest.raises(Expired):
        registry.iter_events(1)


def test_keys_come_in_order_by_namespace_and_after_a_key() -> None:
    registry = make()
    for key in ("b/2", "a/1", "a-b/1", "b/1", "b-/9", "a/0"):
        registry.put(key, Thing(key))
    assert registry.keys(None) == ["a-b/1", "a/0", "a/1", "b-/9", "b/1", "b/2"]
    assert registry.keys("a") == ["a/0", "a/1"]
    assert registry.keys("b", after="b/1") == ["b/2"]
    assert registry.keys("b", after="a/0") == ["b/1", "b/2"]
    assert registry.keys(None, after="a/1") == ["b-/9", "b/1", "b/2"]
    assert registry.keys("c") == []
    registry.remove("a/1")
    assert registry.keys("a") == ["a/0"]


def test_listeners_hear_every_change_until_they_stop() -> None:
    registry = make()
    heard: list[int] = []
    stop = registry.listen(lambda: heard.append(registry.newest_version))
    registry.put("a", Thing("a"))
    registry.remove("a")
    registry.compact()
    stop()
    stop()
    registry.put("b", Thing("b"))
    assert heard == [1, 2, 2]
