"""The front proxy's headers: who sends them, and what they say."""

from __future__ import annotations

import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.auth.identity import Extra, User
from heapfast.auth.request_header import FrontProxy, RemoteHeaders
from heapfast.auth.x509 import CertificateCheck
from tests.unit.auth.certificates import NOW_NS, authority, client

REMOTE = RemoteHeaders(uid=(b"x-remote-uid",))

#: (what, headers, user, groups, uid, extra); user None: the headers name nobody.
HEADERS: list[tuple[str, list[tuple[str, str]], str | None, tuple[str, ...], str, Extra]] = [
    ("user alone", [("x-remote-user", "u")], "u", (), "", ()),
    ("every header", [("x-remote-user", "u"), ("x-remote-group", "g"), ("x-remote-uid", "7"),
     ("x-remote-extra-k", "v")], "u", ("g",), "7", (("k", ("v",)),)),
    ("nothing", [], None, (), "", ()),
    ("no user", [("x-remote-group", "g")], None, (), "", ()),
    ("an empty user", [("x-remote-user", "")], None, (), "", ()),
    ("a blank user", [("x-remote-user", "   ")], None, (), "", ()),
    ("blanks around the user", [("x-remote-user", " u\t")], "u", (), "", ()),
    ("the first user counts", [("x-remote-user", "u"), ("x-remote-user", "w")], "u", (), "", ()),
    ("an empty first user is nobody", [("x-remote-user", ""), ("x-remote-user", "u")], None, (), "", ()),
    ("all groups", [("x-remote-user", "u"), ("x-remote-group", "b"), ("x-remote-group", "a")], "u", ("b", "a"), "", ()),
    ("a group twice", [("x-remote-user", "u"), ("x-remote-group", "a"), ("x-remote-group", "a")], "u", ("a", "a"),
     "", ()),
    ("an empty group is dropped", [("x-remote-user", "u"), ("x-remote-group", "")], "u", (), "", ()),
    ("a comma does not part groups", [("x-remote-user", "u"), ("x-remote-group", "a,b")], "u", ("a,b",), "", ()),
    ("an empty uid", [("x-remote-user", "u"), ("x-remote-uid", "")], "u", (), "", ()),
    ("extra values in their order", [("x-remote-user", "u"), ("x-remote-extra-k", "b"), ("x-remote-extra-k", "a")],
     "u", (), "", (("k", ("b", "a")),)),
    ("an escaped key", [("x-remote-user", "u"), ("x-remote-extra-acme.com%2fproject", "x")], "u", (), "",
     (("acme.com/project", ("x",)),)),
    ("an escaped capital", [("x-remote-user", "u"), ("x-remote-extra-%41b", "x")], "u", (), "", (("Ab", ("x",)),)),
    ("a bad escape", [("x-remote-user", "u"), ("x-remote-extra-%zz%2f", "x")], "u", (), "", (("%zz%2f", ("x",)),)),
    ("a cut escape", [("x-remote-user", "u"), ("x-remote-extra-bad%2", "x")], "u", (), "", (("bad%2", ("x",)),)),
    ("no key", [("x-remote-user", "u"), ("x-remote-extra-", "x")], "u", (), "", (("", ("x",)),)),
    ("an empty extra value stays", [("x-remote-user", "u"), ("x-remote-extra-k", "")], "u", (), "", (("k", ("",)),)),
    ("no UTF-8", [("x-remote-user", "jos\xe9")], "jos\ufffd", (), "", ()),
    ("other headers", [("x-user", "w"), ("x-remote-username", "w"), ("x-remote-user", "u")], "u", (), "", ()),
]  # fmt: skip


def raw(headers: list[tuple[str, str]]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.encode(), value.encode("latin-1")) for name, value in headers)


@pytest.mark.parametrize(
    ("headers", "user", "groups", "uid", "extra"), [row[1:] for row in HEADERS], ids=[row[0] for row in HEADERS]
)
def test_headers_say_who(
    headers: list[tuple[str, str]], user: str | None, groups: tuple[str, ...], uid: str, extra: Extra
) -> None:
    wanted = None if user is None else User(user, groups, uid, extra)
    assert REMOTE.read_user(raw(headers)) == wanted
    assert REMOTE.read_user(REMOTE.select(raw(headers))) == wanted


def test_of_several_header_names_the_first_that_says_something_counts() -> None:
    remote = RemoteHeaders(
        (b"x-one", b"x-two"), (b"x-group", b"x-other-group"), (b"x-a-", b"x-b-"), (b"x-id", b"x-uid")
    )
    headers = raw(
        [
            ("x-two", "two"), ("x-one", ""), ("x-other-group", "g2"), ("x-group", "g1"), ("x-uid", "7"),
            ("x-b-k", "b"), ("x-a-k", "a"),
        ]
    )  # fmt: skip
    assert remote.read_user(headers) == User("two", ("g1", "g2"), "7", (("k", ("a", "b")),))


def test_without_header_names_nobody_is_named() -> None:
    assert RemoteHeaders((), (), (), ()).read_user(raw([("x-remote-user", "u")])) is None


def proxy(*allowed: str) -> FrontProxy:
    return FrontProxy(CertificateCheck(authority("front-proxy-ca").pem), frozenset(allowed), REMOTE)


PROXIES = [
    ("a front proxy", "front-proxy", ("front-proxy-client",), "u"),
    ("a name among several", "front-proxy-other-name", ("front-proxy-client", "other-proxy"), "u"),
    ("a name that is not on the list", "front-proxy-other-name", ("front-proxy-client",), None),
    ("no list", "front-proxy-other-name", (), "u"),
    ("no use stated", "front-proxy-no-eku", ("front-proxy-client",), "u"),
    ("for servers", "front-proxy-server-use", ("front-proxy-client",), None),
    ("expired", "front-proxy-expired", ("front-proxy-client",), None),
    ("of another authority", "front-proxy-foreign", ("front-proxy-client",), None),
    ("of the client CA", "client-admin", (), None),
]


@pytest.mark.parametrize(
    ("certificate", "allowed", "wanted"), [row[1:] for row in PROXIES], ids=[row[0] for row in PROXIES]
)
def test_headers_count_from_front_proxies_alone(certificate: str, allowed: tuple[str, ...], wanted: str | None) -> None:
    user = proxy(*allowed).find_user([client(certificate)], raw([("x-remote-user", "u")]), NOW_NS)
    assert (user.name if user else None) == wanted


def test_headers_without_a_certificate_name_nobody() -> None:
    assert proxy().find_user([], raw([("x-remote-user", "u")]), NOW_NS) is None


def test_users_are_told_apart_though_their_headers_are_remembered() -> None:
    front = proxy()
    certificate = [client("front-proxy")]

    def who(*headers: tuple[str, str]) -> User | None:
        return front.find_user(certificate, raw([("accept", "*/*"), *headers]), NOW_NS)

    for _ in range(2):
        assert who(("x-remote-user", "a")) == User("a")
        assert who(("x-remote-user", "a"), ("x-remote-group", "g")) == User("a", ("g",))
        assert who(("x-remote-user", "b")) == User("b")
        assert who() is None


# ---- what kube-apiserver writes, read back ------------------------------------------------------

_VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20).map(
    lambda text: text.strip(" ")
)
_KEYS = st.text(string.ascii_lowercase + string.digits + "-._/% ü", max_size=12)


@given(
    user=_VALUES.filter(bool),
    groups=st.lists(_VALUES.filter(bool), max_size=4),
    uid=_VALUES,
    extra=st.dictionaries(_KEYS, st.lists(_VALUES, min_size=1, max_size=3), max_size=4),
    noise=st.lists(st.tuples(st.sampled_from([b"accept", b"x-remote", b"authorization"]), st.binary(max_size=8))),
)
def test_what_the_proxy_writes_is_read_back(
    user: str, groups: list[str], uid: str, extra: dict[str, list[str]], noise: list[tuple[bytes, bytes]]
) -> None:
    headers = [*noise, (b"x-remote-user", user.encode()), (b"x-remote-uid", uid.encode())]
    headers += [(b"x-remote-group", group.encode()) for group in groups]
    for key, values in extra.items():
        name = b"x-remote-extra-" + quote(key, safe="").lower().encode()
        headers += [(name, value.encode()) for value in values]
    wanted = User(user, tuple(groups), uid, tuple(sorted((key, tuple(values)) for key, values in extra.items())))
    assert REMOTE.read_user(REMOTE.select(headers)) == wanted


@given(st.lists(st.tuples(st.sampled_from([*REMOTE.username, *REMOTE.group, b"x-remote-extra-%"]), st.binary())))
def test_any_bytes_are_read_or_name_nobody(headers: list[tuple[bytes, bytes]]) -> None:
    user = REMOTE.read_user(headers)
    assert user is None or user.name
