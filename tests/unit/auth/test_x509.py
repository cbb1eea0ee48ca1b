"""Which certificates count, and whom they name."""

from __future__ import annotations

import hashlib
import ssl

import pytest
from cryptography.x509 import Name
from cryptography.x509.oid import ExtendedKeyUsageOID

from heapfast.auth import x509
from heapfast.auth.identity import User
from heapfast.auth.x509 import CREDENTIAL_ID_KEY, CertificateCheck, ClientCertificates
from tests.unit.auth.certificates import CLIENT, NOW_NS, SERVER, Issuer, authority, client, name

ROOT = Issuer("root")
#: Same name as the root, another key: what a forger makes.
IMPOSTOR = Issuer("root")
MIDDLE = Issuer("middle", ROOT)
LOW = Issuer("low", MIDDLE)


def found(check: CertificateCheck, *chain: str, now_ns: int = NOW_NS) -> str | None:
    holder = check.find_holder(chain, now_ns)
    return holder.name if holder else None


ALICE = name("alice")
CHAINS = [
    ("signed by the authority", [ROOT.sign(ALICE, CLIENT)], "alice"),
    ("any use", [ROOT.sign(ALICE, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)], "alice"),
    ("no use stated", [ROOT.sign(ALICE)], "alice"),
    ("for clients and servers", [ROOT.sign(ALICE, SERVER, CLIENT)], "alice"),
    ("for servers alone", [ROOT.sign(ALICE, SERVER)], None),
    ("expired", [ROOT.sign(ALICE, CLIENT, years=(2020, 2021))], None),
    ("not yet valid", [ROOT.sign(ALICE, CLIENT, years=(2040, 2041))], None),
    ("no end", [ROOT.sign(ALICE, CLIENT, years=(2020, 9999))], "alice"),
    ("another authority of the same name", [IMPOSTOR.sign(ALICE, CLIENT)], None),
    ("another authority", [authority("foreign-ca").sign(ALICE, CLIENT)], None),
    ("signed by itself", [Issuer("alice").pem], None),
    ("one intermediate", [MIDDLE.sign(ALICE, CLIENT), MIDDLE.pem], "alice"),
    ("two intermediates", [LOW.sign(ALICE, CLIENT), LOW.pem, MIDDLE.pem], "alice"),
    ("intermediates in any order", [LOW.sign(ALICE, CLIENT), MIDDLE.pem, LOW.pem], "alice"),
    ("the intermediate is missing", [MIDDLE.sign(ALICE, CLIENT)], None),
    ("the upper intermediate is missing", [LOW.sign(ALICE, CLIENT), LOW.pem], None),
    ("an intermediate of others beside it", [ROOT.sign(ALICE, CLIENT), IMPOSTOR.pem], "alice"),
    ("no certificate", [], None),
    ("no PEM", ["alice, honestly"], None),
    ("no PEM behind it", [ROOT.sign(ALICE, CLIENT), "and this"], None),
    ("PEM of something else", [ssl.DER_cert_to_PEM_cert(b"\x30\x03\x02\x01\x01")], None),
]


@pytest.mark.parametrize(("chain", "wanted"), [row[1:] for row in CHAINS], ids=[row[0] for row in CHAINS])
def test_a_chain_must_lead_to_the_authority(chain: list[str], wanted: str | None) -> None:
    check = CertificateCheck(ROOT.pem)
    assert found(check, *chain) == wanted
    assert found(check, *chain) == wanted  # as remembered


ISSUERS = [
    ("an authority", Issuer("middle", ROOT), "alice"),
    ("one that may sign certificates", Issuer("middle", ROOT, may_sign=True), "alice"),
    ("one that may not", Issuer("middle", ROOT, may_sign=False), None),
    ("a client that signs", Issuer("middle", ROOT, is_authority=False), None),
    ("an authority that expired", Issuer("middle", ROOT, years=(2020, 2022)), None),
    ("an authority of the future", Issuer("middle", ROOT, years=(2030, 2040)), None),
]


@pytest.mark.parametrize(("issuer", "wanted"), [row[1:] for row in ISSUERS], ids=[row[0] for row in ISSUERS])
def test_who_signs_must_be_an_authority(issuer: Issuer, wanted: str | None) -> None:
    assert found(CertificateCheck(ROOT.pem), issuer.sign(ALICE, CLIENT), issuer.pem) == wanted


def test_an_expired_authority_signs_for_nobody() -> None:
    old = Issuer("root", years=(2020, 2022))
    assert found(CertificateCheck(old.pem), old.sign(ALICE, CLIENT)) is None


def test_more_intermediates_than_the_limit_are_not_looked_at() -> None:
    issuers = [ROOT]
    for number in range(x509.MAX_INTERMEDIATES + 1):
        issuers.append(Issuer(f"middle-{number}", issuers[-1]))
    *fit, last = issuers[1:]
    check = CertificateCheck(ROOT.pem)
    assert found(check, fit[-1].sign(ALICE, CLIENT), *[issuer.pem for issuer in fit]) == "alice"
    assert found(check, last.sign(ALICE, CLIENT), *[issuer.pem for issuer in reversed(issuers[1:])]) is None


def test_time_counts_for_each_request_though_the_certificate_is_remembered() -> None:
    check = CertificateCheck(ROOT.pem)
    shown = ROOT.sign(ALICE, CLIENT, years=(2025, 2026))
    year_ns = 366 * 86_400 * 10**9
    assert [found(check, shown, now_ns=NOW_NS + shift) for shift in (0, -2 * year_ns, year_ns, 0)] == [
        "alice", None, None, "alice"
    ]  # fmt: skip


def test_of_a_bundle_every_authority_counts() -> None:
    check = CertificateCheck(f"# old\n{authority('foreign-ca').pem}# new\n{ROOT.pem}")
    assert found(check, ROOT.sign(ALICE, CLIENT)) == "alice"
    assert found(check, client("client-foreign")) == "cert-foreign"
    assert check.authorities_pem == authority("foreign-ca").pem + ROOT.pem


@pytest.mark.parametrize("bundle", ["", "nothing", ROOT.pem.replace("MII", "AAA", 1)], ids=["empty", "text", "broken"])
def test_a_bundle_without_certificates_is_an_error(bundle: str) -> None:
    with pytest.raises(ValueError, match="PEM|MalformedFraming|asn1"):
        CertificateCheck(bundle)


def test_only_so_many_certificates_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(x509, "MAX_REMEMBERED", 2)
    verified: list[tuple[str, ...]] = []
    verify = CertificateCheck._verify

    def counted(self: CertificateCheck, chain: tuple[str, ...]) -> x509.Holder | None:
        verified.append(chain)
        return verify(self, chain)

    monkeypatch.setattr(CertificateCheck, "_verify", counted)
    check = CertificateCheck(ROOT.pem)
    one, two, three = (ROOT.sign(name(who), CLIENT) for who in ("one", "two", "three"))
    for shown in (one, two, one, two, three, two, one):
        check.find_holder([shown], NOW_NS)
    assert verified == [(one,), (two,), (three,), (one,)]


USERS = [
    ("name and groups", name("alice", "g1", "g2"), "alice", ("g1", "g2")),
    ("no groups", name("alice"), "alice", ()),
    ("no name", name("", "g1"), None, ()),
]


@pytest.mark.parametrize(("subject", "user", "groups"), [row[1:] for row in USERS], ids=[row[0] for row in USERS])
def test_a_client_certificate_names_a_user(subject: Name, user: str | None, groups: tuple[str, ...]) -> None:
    shown = ROOT.sign(subject, CLIENT)
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown)).hexdigest()
    wanted = User(user, groups, extra=((CREDENTIAL_ID_KEY, (f"X509SHA256={digest}",)),)) if user else None
    assert ClientCertificates(CertificateCheck(ROOT.pem)).find_user([shown], NOW_NS) == wanted


def test_of_several_common_names_the_last_counts() -> None:
    both = type(ALICE)([*name("alice"), *name("bob")])
    assert found(CertificateCheck(ROOT.pem), ROOT.sign(both, CLIENT)) == "bob"
