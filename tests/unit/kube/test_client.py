"""The API server's HTTP: TLS, credentials, errors, lines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from heapfast.errors import KubeError
from heapfast.kube import client as client_module
from heapfast.kube.access import ApiAccess
from heapfast.kube.client import KubeClient
from heapfast.kube.credentials import ClientCertificate, Credentials
from tests.unit.kube import certificates
from tests.unit.kube.api_server import Answer, answer, serve, status

SECRET = "s3cr3t-t0ken"


class Rotating(Credentials):
    """Credentials that have something new each time they are refused, `n_new` times."""

    def __init__(self, n_new: int, make_certificate: Callable[[int], ClientCertificate] | None = None) -> None:
        super().__init__(f"{SECRET}-0", make_certificate(0) if make_certificate else None)
        self._n_new = n_new
        self._make_certificate = make_certificate
        self.n_refused = 0

    async def refresh(self, *, refused: bool = False) -> bool:
        if not refused:
            return False
        self.n_refused += 1
        if self.n_refused > self._n_new:
            return False
        self._token = f"{SECRET}-{self.n_refused}"
        if self._make_certificate:
            self._certificate = self._make_certificate(self.n_refused)
        return True


def trusted(url: str, credentials: Credentials | None = None, **more: object) -> ApiAccess:
    return ApiAccess(
        server=url,
        ca_pem=certificates.authority().certificate_pem,
        credentials=credentials or Credentials(),
        **more,  # type: ignore[arg-type]
    )


async def lines_of(*chunks: bytes) -> list[bytes]:
    async with (
        serve(Answer(list(chunks))) as api,
        KubeClient(ApiAccess(server=api.url)) as client,
        client.watch("/w", {}, timeout_seconds=5) as lines,
    ):
        return [line async for line in lines]


async def fetch(access: ApiAccess, path: str = "/api/v1/pods", **params: str) -> bytes:
    async with KubeClient(access) as client:
        return await client.get(path, params)


async def failure(access: ApiAccess) -> KubeError:
    with pytest.raises(KubeError) as caught:
        await fetch(access)
    return caught.value


async def test_a_get_gives_the_bytes_and_asks_for_unpacked_json(tmp_path: Path) -> None:
    async with serve(answer({"a": 1}), tls=certificates.server_context(tmp_path)) as api:
        assert await fetch(trusted(api.url, Credentials(SECRET)), limit="5") == b'{"a":1}'
    request = api.requests[0]
    assert request.path_qs == "/api/v1/pods?limit=5"
    assert request.headers["Authorization"] == f"Bearer {SECRET}"
    assert request.headers["Accept"] == "application/json"
    assert request.headers["Accept-Encoding"] == "identity"
    assert request.headers["User-Agent"].startswith("heapfast/")


async def test_a_token_never_goes_over_plain_http() -> None:
    async with serve(answer({})) as api:
        await fetch(ApiAccess(server=api.url, credentials=Credentials(SECRET)))
    assert "Authorization" not in api.requests[0].headers


async def test_a_server_of_another_authority_is_refused(tmp_path: Path) -> None:
    other = certificates.authority("other").certificate_pem
    async with serve(answer({}), tls=certificates.server_context(tmp_path)) as api:
        error = await failure(ApiAccess(server=api.url, ca_pem=other))
        assert (error.reason, error.status) == ("tls", None)
        assert api.requests == []


async def test_insecure_takes_any_certificate(tmp_path: Path) -> None:
    async with serve(answer({}), tls=certificates.server_context(tmp_path)) as api:
        assert await fetch(ApiAccess(server=api.url, insecure=True)) == b"{}"


@pytest.mark.parametrize(("name", "reason"), [("kubernetes.default", None), ("someone.else", "tls")])
async def test_the_certificate_may_have_to_carry_another_name(tmp_path: Path, name: str, reason: str | None) -> None:
    async with serve(answer({}), tls=certificates.server_context(tmp_path)) as api:
        access = trusted(api.url, tls_server_name=name)
        if reason is None:
            assert await fetch(access) == b"{}"
        else:
            assert (await failure(access)).reason == reason


def peer_name(request: web.BaseRequest) -> str:
    assert request.transport is not None
    subject = request.transport.get_extra_info("peercert")["subject"]
    return str(dict(pair for rdn in subject for pair in rdn)["commonName"])


async def test_a_client_certificate_is_shown_and_replaced_when_refused(tmp_path: Path) -> None:
    def certificate(number: int) -> ClientCertificate:
        signed = certificates.client(f"client-{number}")
        return ClientCertificate(signed.certificate_pem, signed.key_pem)

    names: list[str] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        names.append(peer_name(request))
        return web.Response(status=401 if len(names) == 1 else 200)

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    tls = certificates.server_context(tmp_path, wants_client=True)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        await fetch(trusted(url, Rotating(1, certificate)))
    finally:
        await runner.cleanup()
    assert names == ["client-0", "client-1"]


async def test_a_refused_token_is_replaced_and_tried_once_more(tmp_path: Path) -> None:
    async with serve(status(401), answer({"a": 1}), tls=certificates.server_context(tmp_path)) as api:
        assert await fetch(trusted(api.url, Rotating(1))) == b'{"a":1}'
    assert [request.headers["Authorization"][-1] for request in api.requests] == ["0", "1"]


@pytest.mark.parametrize(("n_new", "n_requests"), [(0, 1), (9, 2)])
async def test_a_401_is_an_error_when_nothing_new_helps(tmp_path: Path, n_new: int, n_requests: int) -> None:
    async with serve(status(401), status(401), tls=certificates.server_context(tmp_path)) as api:
        error = await failure(trusted(api.url, Rotating(n_new)))
    assert (error.status, error.reason) == (401, "status_401")
    assert len(api.requests) == n_requests
    assert SECRET not in f"{error!r} {error.__cause__!r}"


async def test_a_status_body_becomes_the_message() -> None:
    async with serve(status(403, "pods is forbidden: User cannot list")) as api:
        error = await failure(ApiAccess(server=api.url))
    assert str(error) == "cannot get /api/v1/pods: got status 403 (pods is forbidden: User cannot list), want 200"
    assert (error.status, error.reason, error.retry_after_seconds) == (403, "status_403", None)


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b'{"message":5}'])
async def test_an_error_without_a_status_body_has_its_http_status(body: bytes) -> None:
    async with serve(answer(body, 502)) as api:
        error = await failure(ApiAccess(server=api.url))
    assert (error.status, error.reason) == (502, "status_502")


@pytest.mark.parametrize(
    ("header", "details", "seconds"),
    [("9", None, 9), ("9", 4, 9), (None, 4, 4), ("soon", 4, 4), ("-1", None, None), ("Wed, 21 Oct 2026", None, None)],
)
async def test_retry_after_is_read_from_the_header_or_the_body(
    header: str | None, details: int | None, seconds: float | None
) -> None:
    reply = status(429, details={"retryAfterSeconds": details})
    reply.headers = {"Retry-After": header} if header else {}
    async with serve(reply) as api:
        assert (await failure(ApiAccess(server=api.url))).retry_after_seconds == seconds


async def test_redirects_are_not_followed() -> None:
    async with serve(answer(b"", 302, Location="http://127.0.0.1:1/elsewhere")) as api:
        assert (await failure(ApiAccess(server=api.url))).status == 302


async def test_a_refused_connection_has_a_reason(free_port: int) -> None:
    error = await failure(ApiAccess(server=f"http://127.0.0.1:{free_port}"))
    assert (error.status, error.reason) == (None, "connect")
    assert f"127.0.0.1:{free_port}/api/v1/pods" in str(error)


async def test_a_body_that_breaks_off_has_a_reason() -> None:
    async with serve(Answer([b'{"items":['], is_cut=True)) as api:
        assert (await failure(ApiAccess(server=api.url))).reason == "broken"


async def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "GET_TIMEOUT_SECONDS", 0.05)
    async with serve() as api:
        assert (await failure(ApiAccess(server=api.url))).reason == "timeout"


async def test_garbage_instead_of_http_has_a_reason() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert (await failure(ApiAccess(server=f"http://127.0.0.1:{port}"))).reason == "protocol"


async def test_a_proxy_is_asked_and_its_password_never_shown(tmp_path: Path) -> None:
    async with serve(answer(b"", 407)) as proxy:
        through = proxy.url.replace("http://", "http://user:passw0rd@")
        error = await failure(trusted("https://kubernetes.default", proxy=through))
    assert (error.reason, proxy.requests[0].method) == ("proxy", "CONNECT")
    assert "407" in str(error)
    assert "passw0rd" not in f"{error} {error.__cause__!r} {error.__cause__}"


async def test_a_watch_says_how_long_it_wants_to_be_open() -> None:
    async with (
        serve(answer(b"")) as api,
        KubeClient(ApiAccess(server=api.url)) as client,
        client.watch("/w", {"resourceVersion": "7"}, timeout_seconds=301) as lines,
    ):
        assert [line async for line in lines] == []
    assert dict(api.requests[0].query) == {"resourceVersion": "7", "watch": "1", "timeoutSeconds": "301"}


async def test_lines_are_whole_however_they_arrive() -> None:
    assert await lines_of(b"a\nb\n") == [b"a", b"b"]
    assert await lines_of(b"a", b"b\n", b"c\nd", b"\n") == [b"ab", b"c", b"d"]
    assert await lines_of(b"\n\n") == [b"", b""]
    assert await lines_of(b"a\nrest") == [b"a", b"rest"]
    assert await lines_of() == []


async def test_a_line_beyond_all_measure_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MAX_LINE_BYTES", 1000)
    assert await lines_of(b"x" * 1000 + b"\n") == [b"x" * 1000]
    with pytest.raises(KubeError, match="over 1000 bytes") as caught:
        await lines_of(b"x" * 900, b"x" * 900)
    assert caught.value.reason == "too_large"


async def test_a_page_beyond_all_measure_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MAX_BODY_BYTES", 1000)
    async with serve(answer(b"x" * 1000)) as api, KubeClient(ApiAccess(server=api.url)) as client:
        assert await client.get("/w") == b"x" * 1000
    async with serve(Answer([b"x" * 600, b"x" * 600])) as api, KubeClient(ApiAccess(server=api.url)) as client:
        with pytest.raises(KubeError, match="over 1000 bytes") as caught:
            await client.get("/w")
    assert caught.value.reason == "too_large"


async def test_closing_twice_and_without_a_request_is_fine() -> None:
    client = KubeClient(ApiAccess(server="http://127.0.0.1:1"))
    await client.close()
    await client.close()
