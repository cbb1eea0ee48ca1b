"""Client certificates: who passes, and with which status the rest is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from heapfast.auth.client_cert import ClientRefused, ClientRule

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 10**9
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(*common_names: str) -> str:
    """A certificate that is valid for a day around NOW."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name) for common_name in common_names])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(KEY, hashes.SHA256())
        .public_bytes(Encoding.PEM)
        .decode()
    )


def test_any_name_passes_without_a_list() -> None:
    ClientRule().check(certificate("anybody"), NOW_NS)


def test_names_on_the_list_pass() -> None:
    rule = ClientRule(frozenset(("alice", "bob")))
    rule.check(certificate("bob"), NOW_NS)
    rule.check(certificate("bob"), NOW_NS)


def test_the_last_of_several_names_counts() -> None:
    ClientRule(frozenset(("bob",))).check(certificate("alice", "bob"), NOW_NS)


@pytest.mark.parametrize(
    ("shown", "now_ns", "status"),
    [
        (None, NOW_NS, 401),
        (certificate(), NOW_NS, 401),
        ("no certificate at all", NOW_NS, 401),
        (certificate("bob"), NOW_NS + 2 * 86400 * 10**9, 401),
        (certificate("bob"), NOW_NS - 2 * 86400 * 10**9, 401),
        (certificate("mallory"), NOW_NS, 403),
    ],
    ids=["none", "nameless", "garbage", "expired", "not yet valid", "not on the list"],
)
def test_refuses(shown: str | None, now_ns: int, status: int) -> None:
    with pytest.raises(ClientRefused) as refusal:
        ClientRule(frozenset(("bob",))).check(shown, now_ns)
    assert refusal.value.status == status
    assert str(refusal.value) == {401: "Unauthorized", 403: "Forbidden"}[status]
