"""What singles an entity out in a store of history."""

import pytest

from heapfast.catalog.keys import Kind
from heapfast.history.backend import Entity


@pytest.mark.parametrize(
    ("entity", "labels"),
    [
        (Entity(Kind.CLUSTER), {"type": "cluster"}),
        (Entity(Kind.NODE, node="n"), {"type": "node", "nodename": "n"}),
        (Entity(Kind.NAMESPACE, namespace="s"), {"type": "ns", "namespace_name": "s"}),
        (Entity(Kind.POD, namespace="s", pod="p"), {"type": "pod", "namespace_name": "s", "pod_name": "p"}),
        (Entity(Kind.POD, pod_id=""), {"type": "pod", "pod_id": ""}),
        (
            Entity(Kind.POD_CONTAINER, namespace="s", pod="p", container="c"),
            {"type": "pod_container", "namespace_name": "s", "pod_name": "p", "container_name": "c"},
        ),
        (
            Entity(Kind.POD_CONTAINER, pod_id="u", container="c"),
            {"type": "pod_container", "pod_id": "u", "container_name": "c"},
        ),
        (
            Entity(Kind.SYS_CONTAINER, node="n", container="c"),
            {"type": "sys_container", "nodename": "n", "container_name": "c"},
        ),
    ],
    ids=lambda value: value.kind.name if isinstance(value, Entity) else "",
)
def test_an_entity_is_known_by_its_labels(entity: Entity, labels: dict[str, str]) -> None:
    assert entity.labels() == labels
