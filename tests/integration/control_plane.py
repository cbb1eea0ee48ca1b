"""A real etcd and a real kube-apiserver on loopback, holding the objects of a simulated cluster.

In      the folder that KUBEBUILDER_ASSETS names; a simulated cluster
Out     ControlPlane: its URL, its administrator's session and kubeconfig
Callers test_kube_apiserver.py
Source  deploy/ for what is registered and which rights there are
Never   leaves a process behind, or listens beyond loopback
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import yaml  # type: ignore[import-untyped]

from heapfast.sim.certificates import FRONT_PROXY_NAME, Authority
from heapfast.sim.main import SimulatedCluster
from tests.shared import REPOSITORY

ACCOUNT: Final = "metrics-server"
NAMESPACE: Final = "kube-system"
API_GROUPS: Final = "/apis/apiregistration.k8s.io/v1/apiservices"

#: A kube-apiserver takes some 10 s to start on an idle machine.
START_SECONDS: Final = 120
_POLL_SECONDS: Final = 0.1
MERGE: Final = "application/merge-patch+json"


def find_assets() -> Path:
    """The folder with etcd and kube-apiserver; skips the test when nobody names one."""
    folder = os.environ.get("KUBEBUILDER_ASSETS", "")
    missing = [name for name in ("etcd", "kube-apiserver") if not Path(folder, name).is_file()]
    if not folder or missing:
        pytest.skip("NO KUBE-APISERVER: KUBEBUILDER_ASSETS has to name a folder with etcd and kube-apiserver")
    return Path(folder)


class ControlPlane:
    """An API server that is ready.

    Attributes:
        url: of it.
        kubeconfig: of its administrator.
        administrator: certificate and key.
        session: the administrator's; paths are below `url`.
    """

    def __init__(self, url: str, assets: Path, directory: Path, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.kubeconfig = directory / "admin.kubeconfig"
        self.administrator = directory / "admin.crt", directory / "admin.key"
        self.session = session
        self._assets = assets
        self._directory = directory

    async def call(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """The answer to one request, which must succeed."""
        async with self.session.request(
            method, path, data=None if body is None else json.dumps(body), headers={"Content-Type": content_type}
        ) as response:
            text = await response.text()
            assert response.status < 300, f"{method} {path}: {response.status} {text}"
            return json.loads(text)

    async def create(self, manifest: Mapping[str, Any]) -> None:
        """Creates an object of deploy/."""
        await self.call("POST", _collection(manifest), manifest)

    async def copy(self, sim: SimulatedCluster) -> None:
        """Creates the simulated cluster's namespaces, nodes and pods, with what they state of themselves."""
        ca = None if sim.certificates is None else ssl.create_default_context(cafile=sim.certificates.ca_file)
        token = {"Authorization": f"Bearer {sim.options.token}"}
        async with aiohttp.ClientSession(sim.api.url, headers=token) as simulated:
            for plural in ("namespaces", "nodes", "pods"):
                async with simulated.get(f"/api/v1/{plural}", ssl=ca or True) as response:
                    items = (await response.json())["items"]
                await asyncio.gather(*(self._copy_one(plural, item) for item in items))

    async def _copy_one(self, plural: str, item: dict[str, Any]) -> None:
        metadata = item["metadata"]
        if plural == "namespaces":
            if metadata["name"] not in ("default", NAMESPACE):
                await self.call("POST", "/api/v1/namespaces", {"metadata": {"name": metadata["name"]}})
            return
        collection = f"/api/v1/namespaces/{metadata['namespace']}/pods" if plural == "pods" else "/api/v1/nodes"
        kept = {key: metadata[key] for key in ("name", "labels")}
        await self.call("POST", collection, {"metadata": kept, "spec": item["spec"]})
        await self.call("PATCH", f"{collection}/{metadata['name']}/status", {"status": item["status"]}, MERGE)

    async def install(self, port: int) -> None:
        """Registers what listens on a port of this machine, as deploy/ does for what runs in a pod.

        Nothing routes Services here, so metrics-server's is a name for localhost.
        """
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": ACCOUNT, "namespace": NAMESPACE},
            "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
        }
        await self.create(service)
        for folder in ("base", "components/custom-metrics"):
            for manifest in _manifests(f"{folder}/rbac.yaml"):
                await self.create(manifest)
            for manifest in _manifests(f"{folder}/apiservice.yaml"):
                manifest["spec"]["service"]["port"] = port
                await self.create(manifest)

    async def account_token(self, name: str = ACCOUNT, namespace: str = NAMESPACE) -> str:
        """A token of a service account."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        answer = await self.call("POST", path, {"spec": {}})
        token: str = answer["status"]["token"]
        return token

    def write_kubeconfig(self, token: str) -> Path:
        """A kubeconfig of whoever has a token."""
        path = self._directory / "account.kubeconfig"
        _write_kubeconfig(path, self.url, self._directory, {"token": token})
        return path

    @contextlib.asynccontextmanager
    async def autoscaling(self) -> AsyncIterator[None]:
        """Runs the controller of HorizontalPodAutoscalers until the block ends; skips the test where it is not."""
        program = self._assets / "kube-controller-manager"
        if not program.is_file():
            pytest.skip(f"NO KUBE-CONTROLLER-MANAGER: put it beside {self._assets / 'kube-apiserver'}")
        flags = [
            f"--kubeconfig={self.kubeconfig}",
            "--controllers=horizontal-pod-autoscaler-controller",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            "--secure-port=0",
            "--horizontal-pod-autoscaler-sync-period=1s",
            # By the controller's clock these pods have just started.
            "--horizontal-pod-autoscaler-cpu-initialization-period=0s",
            "--horizontal-pod-autoscaler-initial-readiness-delay=0s",
        ]
        async with _running(program, self._directory / "kube-controller-manager.log", *flags):
            yield

    async def until(self, path: str, is_so: Callable[[Any], bool]) -> None:
        """Waits until what is read at a path is as it should be: these programs tell nobody when they are done."""
        async with asyncio.timeout(START_SECONDS):
            while not is_so(await self.call("GET", path)):
                await asyncio.sleep(_POLL_SECONDS)

    async def is_available(self, version: str, group: str) -> None:
        """Waits until an APIService answers, also through the server: that learns of it a moment after it is stated."""
        await self.until(f"{API_GROUPS}/{version}.{group}", _is_available)
        async with asyncio.timeout(START_SECONDS):
            while True:
                async with self.session.get(f"/apis/{group}/{version}") as response:
                    if response.status == 200:
                        return
                await asyncio.sleep(_POLL_SECONDS)


@contextlib.asynccontextmanager
async def run_control_plane(assets: Path, directory: Path) -> AsyncIterator[ControlPlane]:
    """Runs both programs until the block ends."""
    _write_credentials(directory)
    etcd_port, peer_port, api_port = _free_ports(3)
    url = f"https://127.0.0.1:{api_port}"
    _write_kubeconfig(
        directory / "admin.kubeconfig",
        url,
        directory,
        {"client-certificate": str(directory / "admin.crt"), "client-key": str(directory / "admin.key")},
    )
    etcd_url, peer_url = (f"http://127.0.0.1:{port}" for port in (etcd_port, peer_port))
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(
            _running(
                assets / "etcd",
                directory / "etcd.log",
                f"--data-dir={directory / 'etcd'}",
                f"--listen-client-urls={etcd_url}",
                f"--advertise-client-urls={etcd_url}",
                f"--listen-peer-urls={peer_url}",
                f"--initial-advertise-peer-urls={peer_url}",
                f"--initial-cluster=default={peer_url}",
                "--unsafe-no-fsync",
            )
        )
        server = await stack.enter_async_context(
            _running(
                assets / "kube-apiserver", directory / "kube-apiserver.log", *_flags(directory, etcd_url, api_port)
            )
        )
        administrator = ssl.create_default_context(cafile=directory / "ca.crt")
        administrator.load_cert_chain(directory / "admin.crt", directory / "admin.key")
        session = await stack.enter_async_context(
            aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(ssl=administrator))
        )
        await _is_ready(session, server, directory / "kube-apiserver.log")
        yield ControlPlane(url, assets, directory, session)


def _flags(directory: Path, etcd_url: str, port: int) -> list[str]:
    return [
        f"--etcd-servers={etcd_url}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={directory}",
        f"--tls-cert-file={directory / 'api.crt'}",
        f"--tls-private-key-file={directory / 'api.key'}",
        f"--client-ca-file={directory / 'ca.crt'}",
        f"--requestheader-client-ca-file={directory / 'front-proxy-ca.crt'}",
        f"--requestheader-allowed-names={FRONT_PROXY_NAME}",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={directory / 'front-proxy.crt'}",
        f"--proxy-client-key-file={directory / 'front-proxy.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={directory / 'api.crt'}",
        f"--service-account-signing-key-file={directory / 'api.key'}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=RBAC",
        # Nobody makes the default account of a namespace here.
        "--disable-admission-plugins=ServiceAccount",
        # 127.0.0.1 is no address to lead others to.
        "--endpoint-reconciler-type=none",
    ]


def _write_credentials(directory: Path) -> None:
    authority, front_proxy = Authority("control-plane-ca"), Authority("control-plane-front-proxy-ca")
    files = {"ca.crt": authority.pem, "front-proxy-ca.crt": front_proxy.pem}
    for name, pair in (
        ("api", authority.sign_server("kube-apiserver", ["127.0.0.1", "localhost"])),
        ("admin", authority.sign_client("admin", "system:masters")),
        ("front-proxy", front_proxy.sign_client(FRONT_PROXY_NAME)),
    ):
        files[f"{name}.crt"], files[f"{name}.key"] = pair
    for name, content in files.items():
        (directory / name).write_bytes(content)


def _write_kubeconfig(path: Path, url: str, directory: Path, user: Mapping[str, str]) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": str(directory / "ca.crt")}}],
        "users": [{"name": "test", "user": dict(user)}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    path.write_text(json.dumps(config))


def _free_ports(count: int) -> list[int]:
    """Ports that nothing listens on: these programs cannot be told to take any and say which."""
    with contextlib.ExitStack() as stack:
        holders = [stack.enter_context(socket.socket()) for _ in range(count)]
        for holder in holders:
            holder.bind(("127.0.0.1", 0))
        return [holder.getsockname()[1] for holder in holders]


@contextlib.asynccontextmanager
async def _running(program: Path, log: Path, *flags: str) -> AsyncIterator[asyncio.subprocess.Process]:
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(str(program), *flags, stdout=file, stderr=file)
        try:
            yield process
        finally:
            # It may be gone by itself.
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _is_ready(session: aiohttp.ClientSession, server: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            assert server.returncode is None, f"kube-apiserver ended; {log} says why"
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with session.get("/readyz") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(_POLL_SECONDS)


def _is_available(service: Mapping[str, Any]) -> bool:
    conditions = {one["type"]: one["status"] for one in service.get("status", {}).get("conditions", ())}
    return conditions.get("Available") == "True"


def _manifests(name: str) -> list[dict[str, Any]]:
    text = (REPOSITORY / "deploy" / name).read_text()
    return [one for one in yaml.safe_load_all(text) if one]


def _collection(manifest: Mapping[str, Any]) -> str:
    version, namespace = manifest["apiVersion"], manifest["metadata"].get("namespace")
    prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{prefix}/{f'namespaces/{namespace}/' if namespace else ''}{manifest['kind'].lower()}s"
