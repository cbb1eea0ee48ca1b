"""One HTTP server that takes payloads.

In      a URL, credentials, bodies
Out     answers of success; a SinkError for everything else, which says what it costs
Callers opentsdb.py, elasticsearch.py, otlp.py
Source  RFC 9110 for what a status means
Never   follows a redirect, or shows a credential: what an answer quotes is searched for them first
"""

from __future__ import annotations

import base64
import hashlib
import io
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from yarl import URL

from heapfast import __version__
from heapfast.errors import SinkError
from heapfast.sinks.aws import DIGEST_HEADER, AwsSigner
from heapfast.sinks.sink import Secret
from heapfast.tls import client_context, read_ca

if TYPE_CHECKING:
    from heapfast.sinks.sink import SinkUri

CONNECT_SECONDS: Final = 10.0
#: Longer answers are cut off: their beginning says enough.
MAX_ANSWER_BYTES: Final = 4 << 20
#: Of an answer, in an error.
MAX_QUOTED: Final = 200

#: Statuses that another attempt may not meet.
PASSING: Final = frozenset((408, 425, 429, *range(500, 600)))
#: Statuses that have nothing to do with what was sent.
EVERYBODYS: Final = frozenset((401, 403, 404, 405, 407))


class HttpSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server is, and how it is asked.

    Attributes:
        url: scheme, authority and path, without a slash at its end.
        user: for basic authentication; "" for none.
        headers: more of them, such as a token.
        insecure: take any certificate.
        ca_file: PEM of the authorities of its certificate; "" for the machine's.
    """

    url: str
    user: str = ""
    password: Secret = Secret()
    headers: tuple[tuple[str, Secret], ...] = ()
    insecure: bool = False
    ca_file: str = ""


class HttpServer:
    """One server. Its connections are made when there is something to send, and kept.

    Args:
        passing: statuses that another attempt may not meet.
        signer: signs every request.
    """

    def __init__(self, spec: HttpSpec, *, passing: frozenset[int] = PASSING, signer: AwsSigner | None = None) -> None:
        # Some services have a token in the path.
        self.place = "/".join(spec.url.split("/")[:3])
        self._spec = spec
        self._passing = passing
        self._signer = signer
        self._session: aiohttp.ClientSession | None = None
        self._headers = {"User-Agent": f"heapfast/{__version__}"}
        self._headers.update({name: value.reveal() for name, value in spec.headers})
        self._secrets = [value.reveal() for value in (spec.password, *(value for _, value in spec.headers)) if value]
        if signer is not None:
            self._secrets += signer.secrets
        if spec.user:
            pair = base64.b64encode(f"{spec.user}:{spec.password.reveal()}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
            self._secrets.append(pair)

    async def request(
        self,
        method: Literal["GET", "POST", "PUT"],
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body_sha256: str = "",
    ) -> bytes:
        """Asks once; gives the body of a 2xx answer.

        Args:
            body_sha256: of a body that is large, where requests are signed.

        Raises:
            SinkError: there was no answer, or another one.
        """
        try:
            url = URL(f"{self._spec.url}{path}")
            if params:
                # Blanks as "%20": a "+" means another thing where it is signed.
                url = URL(f"{url}?{urlencode(params, quote_via=quote)}", encoded=True)
            if self._signer is not None:
                digest = body_sha256 or hashlib.sha256(body or b"").hexdigest()
                headers = self._signer.sign(method, url, {**(headers or {}), DIGEST_HEADER: digest}, digest)
            async with self._get_session().request(
                method,
                url,
                headers=headers,
                # As a file, since aiohttp copies a body of bytes as a whole while the loop waits.
                data=None if body is None else io.BytesIO(body),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            ) as response:
                answer = await _read(response)
                if 200 <= response.status < 300:
                    return answer
                raise self._refused(response, answer)
        except aiohttp.ClientSSLError as error:
            raise self._failed("tls", error) from None
        except aiohttp.ClientConnectorError as error:
            raise self._failed("connect", error) from None
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError, ValueError) as error:
            raise self._failed("protocol", error) from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def quote(self, answer: bytes) -> str:
        """The beginning of an answer on one line, without what is secret."""
        text = answer[: 4 * MAX_QUOTED].decode("utf-8", "replace")
        for secret in self._secrets:
            text = text.replace(secret, "***")
        printable = "".join(c if c.isprintable() else " " for c in text)
        return " ".join(printable.split())[:MAX_QUOTED]

    def _get_session(self) -> aiohttp.ClientSession:
        if self._session is None:  # not in __init__: a session belongs to the running loop
            spec = self._spec
            context: ssl.SSLContext | bool = True
            if spec.url.startswith("https://"):
                ca_pem = read_ca(spec.ca_file) if spec.ca_file else None
                context = client_context(ca_pem=ca_pem, insecure=spec.insecure)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context),
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=True,
            )
        return self._session

    def _refused(self, response: aiohttp.ClientResponse, answer: bytes) -> SinkError:
        status = response.status
        costs: Literal["nothing", "chunk", "batch"] = "chunk"
        if status in self._passing:
            costs = "nothing"
        elif status in EVERYBODYS or 300 <= status < 400:
            costs = "batch"
        quoted = self.quote(answer)
        wait = response.headers.get("Retry-After", "")
        return SinkError(
            f"{self.place} answered {status}{f': {quoted}' if quoted else ''}",
            reason=f"status_{status}",
            costs=costs,
            retry_after_seconds=float(wait) if wait.isdecimal() and len(wait) < 9 else None,
        )

    def _failed(self, reason: str, error: Exception) -> SinkError:
        # aiohttp's errors may hold the request with its headers, so none is chained.
        return SinkError(f"cannot send to {self.place}: {self.quote(str(error).encode())}", reason=reason)


def read_http(
    uri: SinkUri,
    default_url: str,
    *,
    headers: tuple[tuple[str, Secret], ...] = (),
    user: str = "",
    password: Secret | None = None,
) -> HttpSpec:
    """Reads the URL of a sink, `insecuressl` and `cacert`."""
    url = default_url
    if uri.scheme not in ("http", "https", ""):
        uri.refuse(f"the scheme {uri.scheme!r}", "http or https")
    elif uri.host:
        url = f"{uri.scheme or 'http'}://{uri.host}{uri.path.rstrip('/')}"
    elif uri.scheme or uri.path:
        uri.refuse("a URL without a host", f"a URL such as {default_url}")
    return HttpSpec(
        url=url,
        user=user,
        password=password or Secret(),
        headers=headers,
        insecure=uri.switch("insecuressl", False),
        ca_file=uri.text("cacert"),
    )


async def _read(response: aiohttp.ClientResponse) -> bytes:
    answer = bytearray()
    async for data in response.content.iter_any():
        answer += data
        if len(answer) > MAX_ANSWER_BYTES:
            response.close()
            break
    return bytes(answer)
