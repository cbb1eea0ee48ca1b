"""The config map for add-ons: fetched, and followed by a Reflector."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from heapfast.errors import KubeError
from heapfast.kube.access import ApiAccess
from heapfast.kube.auth_config import AUTH_CONFIG, AuthConfig, fetch_auth_config
from heapfast.kube.client import KubeClient
from heapfast.kube.monitoring import KubeMonitoring, ResourceMonitoring
from heapfast.kube.watch import Reflector
from tests.unit.kube.api_server import Answer, answer, page, serve, status, watch

NAME = "extension-apiserver-authentication"
LIST = f"/api/v1/namespaces/kube-system/configmaps?fieldSelector=metadata.name%3D{NAME}"


def config_map(version: str, **data: str) -> dict[str, object]:
    metadata = {"name": NAME, "namespace": "kube-system", "resourceVersion": version}
    return {"kind": "ConfigMap", "metadata": metadata, "data": data, "binaryData": {"x": "eA=="}}


def known(**data: str) -> AuthConfig:
    return AuthConfig(namespace="kube-system", name=NAME, data=data)


async def fetch(reply: Answer) -> AuthConfig:
    async with serve(reply) as api, KubeClient(ApiAccess(server=api.url)) as client:
        found = await fetch_auth_config(client)
        assert api.requests[0].path_qs == f"/api/v1/namespaces/kube-system/configmaps/{NAME}"
        return found


async def test_it_is_fetched_by_its_name() -> None:
    assert await fetch(answer(config_map("1", a="b"))) == known(a="b")
    assert known().key == f"kube-system/{NAME}"


async def test_it_may_be_empty() -> None:
    assert await fetch(answer({"metadata": {"name": NAME, "namespace": "kube-system"}})) == known()


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (status(404), "status_404"),
        (status(403), "status_403"),
        (answer(b"<html>"), "decode"),
        (answer({"metadata": {}}), "decode"),
        (answer({"metadata": {"name": NAME, "namespace": "kube-system"}, "data": {"a": 1}}), "decode"),
    ],
)
async def test_what_is_no_config_map_is_an_error(reply: Answer, reason: str) -> None:
    with pytest.raises(KubeError) as caught:
        await fetch(reply)
    assert caught.value.reason == reason


class Heard:
    """A consumer that keeps what it hears."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def upsert(self, item: AuthConfig) -> None:
        self.calls.append(item)

    def delete(self, key: str) -> None:
        self.calls.append(key)

    def synced(self) -> None:
        self.calls.append("synced")


async def test_a_reflector_follows_this_one_object() -> None:
    heard = Heard()
    script = (
        page(config_map("5", a="1"), version="5"),
        watch(("MODIFIED", config_map("6", a="2")), ("DELETED", config_map("7", a="2"))),
    )
    async with serve(*script) as api, KubeClient(ApiAccess(server=api.url)) as client:
        monitoring = ResourceMonitoring(KubeMonitoring(CollectorRegistry()), AUTH_CONFIG.name)
        reflector = Reflector(AUTH_CONFIG, client, heard, monitoring)
        task = asyncio.create_task(reflector.run())
        await api.through.wait()
        task.cancel()
        await asyncio.wait([task])
    assert heard.calls == [known(a="1"), "synced", known(a="2"), known().key]
    asked = [request.path_qs for request in api.requests]
    assert asked[0] == f"{LIST}&limit=500"
    assert asked[1].startswith(f"{LIST}&resourceVersion=5&allowWatchBookmarks=true&watch=1")
