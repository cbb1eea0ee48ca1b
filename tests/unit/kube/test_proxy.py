"""Which proxy the environment names for a server."""

from __future__ import annotations

import pytest

from heapfast.kube.proxy import proxy_for

PROXY = "http://proxy:3128"
CASES = [
    # no_proxy, server, proxied?
    pytest.param("", "https://10.96.0.1:443", True, id="no exception"),
    pytest.param("*", "https://10.96.0.1", False, id="everything"),
    pytest.param("10.96.0.0/12", "https://10.96.0.1", False, id="network"),
    pytest.param("10.96.0.0/12", "https://10.112.0.1", True, id="outside the network"),
    pytest.param("10.96.0.5/12", "https://10.96.0.1", False, id="network with host bits"),
    pytest.param("not/anetwork", "https://10.96.0.1", True, id="bad network"),
    pytest.param("a, 10.96.0.1 ,b", "https://10.96.0.1", False, id="address with blanks"),
    pytest.param("10.96.0.1:443", "https://10.96.0.1", False, id="address and port"),
    pytest.param("10.96.0.1:6443", "https://10.96.0.1", True, id="another port"),
    pytest.param("fd00::1", "https://[fd00::1]:6443", False, id="IPv6"),
    pytest.param("[fd00::1]:6443", "https://[fd00::1]:6443", False, id="IPv6 and port"),
    pytest.param("fd00::/8", "https://[fd00::1]:6443", False, id="IPv6 network"),
    pytest.param("example.org", "https://api.EXAMPLE.org", False, id="domain covers what is below"),
    pytest.param("example.org", "https://example.org", False, id="domain covers itself"),
    pytest.param(".example.org", "https://example.org", True, id="a dot leaves the domain out"),
    pytest.param(".example.org", "https://api.example.org", False, id="a dot and what is below"),
    pytest.param("*.example.org", "https://api.example.org", False, id="a star and what is below"),
    pytest.param("ample.org", "https://example.org", True, id="only whole labels"),
    pytest.param(",,", "https://example.org", True, id="nothing but commas"),
    pytest.param("", "https://localhost:6443", False, id="localhost"),
    pytest.param("", "https://127.0.0.1:6443", False, id="loopback"),
    pytest.param("", "https://[::1]:6443", False, id="loopback, IPv6"),
]


@pytest.mark.parametrize(("no_proxy", "server", "is_proxied"), CASES)
def test_no_proxy_names_the_exceptions(no_proxy: str, server: str, is_proxied: bool) -> None:
    environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}
    assert proxy_for(server, environ) == (PROXY if is_proxied else None)


def test_the_scheme_picks_the_variable_and_either_case_will_do() -> None:
    assert proxy_for("https://a", {"HTTP_PROXY": PROXY}) is None
    assert proxy_for("http://a", {"http_proxy": PROXY}) == PROXY
    assert proxy_for("http://a", {"http_proxy": PROXY, "no_proxy": "a"}) is None


def test_a_proxy_without_scheme_is_spoken_to_in_http() -> None:
    assert proxy_for("https://a", {"https_proxy": "proxy:3128"}) == PROXY
