"""How an exchange is made comparable where heapfast differs from the reference on purpose.

In      an Exchange
Out     the same, changed; False when there was nothing to do
Callers differences.py, which says why
Never   lets more pass than its row says: what we serve instead is looked at
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from heapfast.units import NS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.metrics_server.exchange import Exchange

#: A failed scrape may cost two rounds; the third is due then, and may have just been missed.
KEPT_RESOLUTIONS = 3


def versions(exchange: Exchange) -> bool:
    """Compares with a server that serves v1beta1 alone: the rest of the answer is to be the same."""
    if exchange.beta_only == exchange.answer:
        return False
    exchange.answer = exchange.beta_only
    return True


def pages(exchange: Exchange) -> bool:
    """Compares all pages together."""
    if exchange.whole is None:
        return False
    exchange.answer = exchange.whole
    return True


def own_version(exchange: Exchange) -> bool:
    """All members of /version are there, with our values."""
    if exchange.path != "/version" or exchange.want_status != 200:
        return False
    members = json.loads(exchange.vector["response"]["body"])
    exchange.vector["match"]["ignore"] = [f"$.{member}" for member in members]
    return True


def no_debug(exchange: Exchange) -> bool:
    """Any path below /debug is one of those that lead nowhere."""
    if not exchange.path.startswith("/debug/"):
        return False
    exchange.expect_status(404, content_type="application/json")
    return True


def no_protobuf(exchange: Exchange) -> bool:
    """Documents in protobuf are not acceptable."""
    if "+protobuf" not in json.dumps(exchange.vector["request"]["headers"]):
        return False
    exchange.expect_status(406)
    return True


def no_impersonation(exchange: Exchange) -> bool:
    """Nobody is let act as somebody else."""
    exchange.expect_status(403, content_type="application/json")
    return True


def own_hash(exchange: Exchange) -> bool:
    """A redirection leads to the hash that the document has here."""
    if exchange.want_status != 301:
        return False
    etag = exchange.answer.headers["etag"].strip('"')
    exchange.vector["response"]["headers"]["location"] = f"{exchange.path}?hash={etag}"
    return True


def left_out(*names: str) -> Callable[[Exchange], bool]:
    """Items of lists that only one of the two has, or has otherwise; and objects of which we have none."""
    known = frozenset(names)

    def settle(exchange: Exchange) -> bool:
        if exchange.is_list():
            exchange.leave_out(known)
            return True
        if exchange.name in known and (exchange.want_status, exchange.answer.status) == (200, 404):
            exchange.expect_status(404, content_type="application/json")
            return True
        return False

    return settle


def served(*names: str) -> Callable[[Exchange], bool]:
    """Items and objects that only we have: their newest sample is not older than what may be kept."""
    known = frozenset(names)

    def settle(exchange: Exchange) -> bool:
        for name, item in exchange.items().items():
            if name in known:
                _check_age(exchange, item["timestamp"])
        if exchange.is_list():
            exchange.leave_out(known)
            return True
        if exchange.name in known and (exchange.want_status, exchange.answer.status) == (404, 200):
            exchange.expect_status(200, content_type=exchange.answer.headers["content-type"])
            return True
        return False

    return settle


def kept(name: str) -> Callable[[Exchange], bool]:
    """An object for which we have the values of the sample before: no older than what may be kept."""

    def settle(exchange: Exchange) -> bool:
        if exchange.name != name or not exchange.want_status == exchange.answer.status == 200:
            return False
        for item in exchange.items().values():
            _check_age(exchange, item["timestamp"])
        exchange.expect_status(200, content_type=exchange.vector["response"]["headers"]["content-type"])
        return True

    return settle


def _check_age(exchange: Exchange, timestamp: str) -> None:
    at_ns = round(datetime.fromisoformat(timestamp).timestamp()) * NS_PER_SECOND
    # Kubelets sample up to a resolution before they answer.
    limit_ns = (KEPT_RESOLUTIONS + 1) * exchange.scenario.about["resolution_s"] * NS_PER_SECOND
    assert exchange.now_ns - at_ns <= limit_ns, f"served though it is of {timestamp}"
