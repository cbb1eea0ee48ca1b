"""The grammar of source and sink URIs (spec/heapster-pipeline.md 3.1)."""

import re

import pytest

from heapfast.config.uris import Uri, parse_uri

ENVIRONMENT = {"HOST": "kube", "PORT": "6443", "_x1": "low"}


@pytest.mark.parametrize(
    ("value", "uri"),
    [
        ("kubernetes", Uri("kubernetes", "", "", "", ())),
        ("gcm:", Uri("gcm", "", "", "", ())),
        ("k:https://kube:6443", Uri("k", "https", "kube:6443", "", ())),
        ("k:HTTPS://kube/a%20b", Uri("k", "https", "kube", "/a%20b", ())),
        ("k:http://[::1]:80/", Uri("k", "http", "[::1]:80", "/", ())),
        ("k:http://user:secret@kube/", Uri("k", "http", "kube", "/", ())),
        ("k://kube:1", Uri("k", "", "kube:1", "", ())),
        ("k:host:2878", Uri("k", "host", "", "2878", ())),
        ("k:/var/log", Uri("k", "", "", "/var/log", ())),
        ("k:///var/log", Uri("k", "", "", "///var/log", ())),
        ("k:file:///var/log", Uri("k", "file", "", "/var/log", ())),
        ("k:?a=1", Uri("k", "", "", "", (("a", "1"),))),
        ("k:?a=1&a=2&b", Uri("k", "", "", "", (("a", "1"), ("a", "2"), ("b", "")))),
        ("k:?a=b%20c+d", Uri("k", "", "", "", (("a", "b c d"),))),
        ("k:?a=1&bad=%zz&c;d=2&&e=3", Uri("k", "", "", "", (("a", "1"), ("e", "3")))),
        ("k:http://kube?a=1#part?b=2", Uri("k", "http", "kube", "", (("a", "1"),))),
    ],
)
def test_a_uri_is_cut_at_its_first_colon_and_parsed(value: str, uri: Uri) -> None:
    assert parse_uri(value, {}) == uri


@pytest.mark.parametrize(
    ("value", "host", "path"),
    [
        ("k:https://$HOST:${PORT}/", "kube:6443", "/"),
        ("k:https://$HOST.local/$_x1", "kube.local", "/low"),
        ("k:https://a/$HOSTS/${GONE}x", "a", "//x"),
        ("k:https://a/$", "a", "/$"),
        ("k:https://a/$/b", "a", "/$/b"),
        ("k:https://a/$1b", "a", "/b"),
    ],
)
def test_variables_are_expanded_behind_the_key(value: str, host: str, path: str) -> None:
    uri = parse_uri(value, ENVIRONMENT)
    assert (uri.host, uri.path) == (host, path)


def test_the_key_is_not_expanded() -> None:
    assert parse_uri("$HOST:/x", ENVIRONMENT).key == "$HOST"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("", "KEY or KEY:URL"),
        (":", "KEY or KEY:URL"),
        (":http://kube", "KEY or KEY:URL"),
        ("k:1.2.3.4:2878", "without a colon in its first path segment"),
        ("k::2878", "with a scheme before its first colon"),
        ("k:http://kube:port", "whose port is a number"),
        ("k:http://::1:80", "whose port is a number"),
        ("k:http://[::1", "whose IPv6 address stands in brackets"),
        ("k:http://kube/%2", "not '%2'"),
        ("k:http://kube/%zz", "not '%zz'"),
        ("k:http://ku%bg/", "not '%bg'"),
        ("k:http://kube/\n", "without control characters"),
    ],
)
def test_what_is_no_uri_is_refused(value: str, wanted: str) -> None:
    with pytest.raises(ValueError, match=re.escape(wanted)):
        parse_uri(value, {})


def test_variables_cannot_smuggle_control_characters() -> None:
    with pytest.raises(ValueError, match="control characters"):
        parse_uri("k:http://$HOST/", {"HOST": "kube\r\n"})
