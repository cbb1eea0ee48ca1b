"""Signs HTTP requests for services of AWS: Signature Version 4.

In      keys of the environment, region and service; one request with the SHA-256 of its body
Out     the request's headers, with the signature
Callers elasticsearch.py, for Amazon's Elasticsearch and OpenSearch
Source  "Create a signed AWS API request" of AWS' documentation, whose published examples the tests hold
Never   shows a secret, or looks at a body: its digest is made where the body is, in a thread
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec
from yarl import URL

from heapfast.sinks.sink import Secret
from heapfast.units import NS_PER_SECOND

if TYPE_CHECKING:
    from heapfast.clock import Clock
    from heapfast.sinks.sink import SinkUri

ALGORITHM: Final = "AWS4-HMAC-SHA256"
SESSION_HEADER: Final = "X-Amz-Security-Token"
DIGEST_HEADER: Final = "X-Amz-Content-Sha256"
_UNRESERVED: Final = "-_.~"
#: Region and service, as a host of AWS tells them; es, or aoss where it has no servers.
_HOST: Final = re.compile(r"[^.]+\.([a-z0-9-]+)\.(es|aoss)\.amazonaws\.com(?:\.cn)?")


class AwsKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Who we are to AWS, and for what.

    Attributes:
        token: of a session; "" for keys that last.
        service: as it stands in host names: es, aoss.
    """

    key_id: str
    secret: Secret
    token: Secret = Secret()
    region: str
    service: str


class AwsSigner:
    """Signs the requests of one sink."""

    def __init__(self, keys: AwsKeys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    @property
    def secrets(self) -> list[str]:
        """What an answer that quotes a request must not show."""
        return [secret.reveal() for secret in (self._keys.secret, self._keys.token) if secret]

    def sign(self, method: str, url: URL, headers: Mapping[str, str], body_sha256: str) -> dict[str, str]:
        """The headers with which a request is sent.

        Args:
            url: as it will be sent, query and all.
            headers: those that are signed; host and date are added.
        """
        keys = self._keys
        now = datetime.fromtimestamp(self._clock.now_ns() // NS_PER_SECOND, UTC)
        headers = {**headers, "X-Amz-Date": f"{now:%Y%m%dT%H%M%SZ}"}
        if keys.token:
            headers[SESSION_HEADER] = keys.token.reveal()
        signed = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
        signed["host"] = url.host_port_subcomponent or ""
        names = ";".join(sorted(signed))
        request = "\n".join(
            (
                method,
                quote(url.raw_path, safe=f"/{_UNRESERVED}"),
                canonical_query(url),
                *(f"{name}:{signed[name]}" for name in sorted(signed)),
                "",
                names,
                body_sha256,
            )
        )
        scope = f"{now:%Y%m%d}/{keys.region}/{keys.service}/aws4_request"
        text = "\n".join((ALGORITHM, headers["X-Amz-Date"], scope, hashlib.sha256(request.encode()).hexdigest()))
        key = f"AWS4{keys.secret.reveal()}".encode()
        for part in scope.split("/"):
            key = _hmac(key, part)
        signature = _hmac(key, text).hex()
        headers["Authorization"] = (
            f"{ALGORITHM} Credential={keys.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return headers


def canonical_query(url: URL) -> str:
    """The query as both sides write it, whatever way it was sent."""
    pairs = ((quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED)) for name, value in url.query.items())
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def read_keys(uri: SinkUri, url: str) -> AwsKeys | None:
    """Finds the environment's keys for a service at `url`; None where there are none.

    As in Heapster, any of them in the environment is a wish to sign.
    """
    key_id = uri.variable("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY")
    secret = uri.variable("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY")
    if not key_id and not secret:
        return None
    token = uri.variable("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
    told = _HOST.fullmatch(URL(url).host or "")
    region = told[1] if told else uri.variable("AWS_REGION", "AWS_DEFAULT_REGION").reveal()
    if not (key_id and secret):
        uri.refuse("one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment", "both of them, or none")
    elif not all(text.isascii() and text.isprintable() for text in (key_id.reveal(), region, token.reveal())):
        uri.refuse("keys of AWS that cannot be in a header", "keys without line feeds or other control characters")
    elif not region:
        uri.refuse(
            "keys of AWS in the environment and no region", "AWS_REGION, or a host such as x.REGION.es.amazonaws.com"
        )
    else:
        service = told[2] if told else "es"
        return AwsKeys(key_id=key_id.reveal(), secret=secret, token=token, region=region, service=service)
    return None
