"""Who the API server takes a caller for, what it lets them do, and what it tells the daemon of them."""

import hashlib
import io
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from heapfast.clock import ManualClock
from heapfast.errors import ConfigError
from heapfast.sim.certificates import Authority, Certificates
from heapfast.sim.config_maps import NAME, publish_trust
from heapfast.sim.kubeconfig import VIEWER_CONTEXT_NAME
from heapfast.sim.main import SimulatedCluster, describe
from heapfast.sim.options import SimulateOptions

CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
METRICS = "/apis/metrics.k8s.io/v1/nodes"
ADMINISTRATOR = {"Authorization": "Bearer s3cret"}
VIEWER = {"Authorization": "bearer view"}


class Daemon:
    """A server that asks for certificates, and notes who showed which and said what."""

    def __init__(self, directory: Path) -> None:
        self.url = ""
        self.subject: Any = None
        self.headers: dict[str, str] = {}
        authority = Authority("daemon-ca")
        for name, content in zip(("crt", "key"), authority.sign_server("daemon", ["127.0.0.1"]), strict=True):
            (directory / f"daemon.{name}").write_bytes(content)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(directory / "daemon.crt", directory / "daemon.key")
        self.context.verify_mode = ssl.CERT_OPTIONAL

    async def note(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        self.subject = request.transport.get_extra_info("peercert")["subject"]
        self.headers = {name.lower(): value for name, value in request.headers.items()}
        return web.json_response({})


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    daemon = Daemon(tmp_path)
    app = web.Application()
    app.router.add_get("/{path:.*}", daemon.note)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=daemon.context).start()
    daemon.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    yield daemon
    await runner.cleanup()


@pytest.fixture
def options(daemon: Daemon) -> SimulateOptions:
    return SimulateOptions(
        nodes=1, pods_per_node=1, tls=True, token="s3cret", viewer_token="view", viewer_namespace="shop",
        daemon_url=daemon.url,
    )  # fmt: skip


@pytest.fixture
def files(sim: SimulatedCluster) -> Certificates:
    assert sim.certificates is not None
    return sim.certificates


@pytest.fixture
def plain_tls(files: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(files.ca_file))


class Api:
    """Asks one API server over TLS."""

    def __init__(self, sim: SimulatedCluster, client: aiohttp.ClientSession, tls: ssl.SSLContext) -> None:
        self.sim, self._client, self._tls = sim, client, tls

    async def ask(self, path: str, headers: dict[str, str], body: Any = None) -> tuple[int, Any]:
        async with self._client.request(
            "GET" if body is None else "POST",
            self.sim.api.url + path,
            headers=headers,
            data=None if body is None else json.dumps(body),
            ssl=self._tls,
        ) as response:
            return response.status, json.loads(await response.read())


@pytest.fixture
def api(sim: SimulatedCluster, client: aiohttp.ClientSession, plain_tls: ssl.SSLContext) -> Api:
    return Api(sim, client, plain_tls)


async def test_add_ons_are_told_whom_to_trust(api: Api, files: Certificates) -> None:
    status, config_map = await api.ask(f"{CONFIG_MAPS}/{NAME}", ADMINISTRATOR)
    assert (status, config_map["kind"], config_map["metadata"]["namespace"]) == (200, "ConfigMap", "kube-system")
    assert config_map["data"] == {
        "client-ca-file": files.client_ca_file.read_text(),
        "requestheader-client-ca-file": files.front_proxy_ca_file.read_text(),
        "requestheader-allowed-names": '["front-proxy-client"]',
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-uid-headers": '["X-Remote-Uid"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
    }
    _, listed = await api.ask(f"{CONFIG_MAPS}?fieldSelector=metadata.name%3D{NAME}", ADMINISTRATOR)
    assert [item["data"] for item in listed["items"]] == [config_map["data"]]
    _, listed = await api.ask(f"{CONFIG_MAPS}?fieldSelector=metadata.name%3Dother", ADMINISTRATOR)
    assert listed["items"] == []


async def test_watches_hear_of_new_authorities(
    api: Api, files: Certificates, client: aiohttp.ClientSession, plain_tls: ssl.SSLContext
) -> None:
    url = f"{api.sim.api.url}{CONFIG_MAPS}?watch=1&resourceVersion={api.sim.cluster.config_maps.newest_version}"
    async with client.get(url, headers=ADMINISTRATOR, ssl=plain_tls) as watch:
        files.front_proxy_ca_file.write_text("other")
        publish_trust(api.sim.cluster, files)
        event = json.loads(await watch.content.readline())
    assert (event["type"], event["object"]["data"]["requestheader-client-ca-file"]) == ("MODIFIED", "other")


async def test_without_tls_there_is_nobody_to_trust(clock: ManualClock, client: aiohttp.ClientSession) -> None:
    async with (
        SimulatedCluster(SimulateOptions(nodes=1), clock) as sim,
        client.get(f"{sim.api.url}{CONFIG_MAPS}/{NAME}") as response,
    ):
        assert response.status == 404


async def test_the_viewer_sees_what_there_is_but_none_of_it(api: Api) -> None:
    assert (await api.ask("/apis", VIEWER))[0] == 200
    for path in ("/api/v1/nodes", f"{CONFIG_MAPS}/{NAME}", "/sim/state"):
        status, refusal = await api.ask(path, VIEWER)
        assert (status, refusal["reason"]) == (403, "Forbidden")
        assert refusal["message"] == f'forbidden: User "simulated-viewer" cannot get path "{path}"'
    assert (await api.ask("/api/v1/namespaces/kube-system/services/heapster/proxy/x", VIEWER))[0] == 403


async def test_the_viewer_is_somebody_in_reviews(api: Api) -> None:
    body = {"spec": {"token": "view"}}
    _, review = await api.ask("/apis/authentication.k8s.io/v1/tokenreviews", ADMINISTRATOR, body)
    assert review["status"]["user"] == {"username": "simulated-viewer", "uid": "2", "groups": ["system:authenticated"]}


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({}, True),
        ({"verb": "get", "name": "web-1"}, True),
        ({"namespace": "default"}, False),
        ({"namespace": ""}, False),
        ({"resource": "nodes"}, False),
        ({"group": ""}, False),
        ({"verb": "delete"}, False),
    ],
)
async def test_the_viewer_may_read_metrics_of_pods_of_one_namespace(
    api: Api, change: dict[str, str], allowed: bool
) -> None:
    wanted = {"group": "metrics.k8s.io", "version": "v1", "resource": "pods", "verb": "list", "namespace": "shop"}
    spec = {"user": "simulated-viewer", "groups": ["system:authenticated"]}
    _, review = await api.ask(REVIEWS, ADMINISTRATOR, {"spec": {**spec, "resourceAttributes": {**wanted, **change}}})
    assert review["status"]["allowed"] is allowed
    _, review = await api.ask(REVIEWS, ADMINISTRATOR, {"spec": {**spec, "nonResourceAttributes": {"path": "/metrics"}}})
    assert review["status"]["allowed"] is False


async def test_the_daemon_is_told_who_asks_by_a_front_proxy(api: Api, daemon: Daemon, files: Certificates) -> None:
    daemon.context.load_verify_locations(files.front_proxy_ca_file)
    assert (await api.ask(METRICS, VIEWER))[0] == 200
    assert daemon.subject == ((("commonName", "front-proxy-client"),),)
    assert (daemon.headers["x-remote-user"], daemon.headers["x-remote-uid"]) == ("simulated-viewer", "2")
    assert daemon.headers["x-remote-group"] == "system:authenticated"
    assert "authorization" not in daemon.headers


async def test_holders_of_certificates_are_named_by_these(
    api: Api, daemon: Daemon, files: Certificates, client: aiohttp.ClientSession, plain_tls: ssl.SSLContext
) -> None:
    daemon.context.load_verify_locations(files.front_proxy_ca_file)
    plain_tls.load_cert_chain(files.client_cert_file, files.client_key_file)
    assert (await api.ask(METRICS, {}))[0] == 200
    der = x509.load_pem_x509_certificate(files.client_cert_file.read_bytes()).public_bytes(Encoding.DER)
    assert daemon.headers["x-remote-user"] == "simulated-admin"
    assert "x-remote-uid" not in daemon.headers
    assert (
        daemon.headers["x-remote-extra-authentication.kubernetes.io%2fcredential-id"]
        == f"X509SHA256={hashlib.sha256(der).hexdigest()}"
    )


async def test_the_kubeconfig_has_a_context_for_each(sim: SimulatedCluster) -> None:
    config = json.loads(sim.kubeconfig.read_text())
    contexts = {entry["name"]: entry["context"] for entry in config["contexts"]}
    assert contexts[VIEWER_CONTEXT_NAME]["namespace"] == "shop"
    users = {entry["name"]: entry["user"] for entry in config["users"]}
    assert users[contexts[VIEWER_CONTEXT_NAME]["user"]] == {"token": "view"}
    assert users[contexts[config["current-context"]]["user"]].keys() == {"client-certificate", "client-key"}


def test_two_people_do_not_share_a_token() -> None:
    with pytest.raises(ConfigError, match="viewer-token"):
        SimulateOptions(token="one", viewer_token="one").check()


async def test_a_person_is_told_of_the_viewer(sim: SimulatedCluster, clock: ManualClock) -> None:
    told = io.StringIO()
    describe(sim, told)
    assert f"kubectl --kubeconfig {sim.kubeconfig} --context viewer top pods\n" in told.getvalue()
    async with SimulatedCluster(SimulateOptions(nodes=1), clock) as alone:
        told = io.StringIO()
        describe(alone, told)
        assert "viewer" not in told.getvalue()
