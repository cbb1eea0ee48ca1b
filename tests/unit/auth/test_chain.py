"""The chain: which proof counts before which, and that a failed proof is never taken for none.

What the reference answered is in test_recorded.py; here is what the recordings do not have.
"""

from __future__ import annotations

from typing import Any

import pytest

from heapfast.auth.identity import ANONYMOUS, User
from heapfast.auth.refusals import Forbidden, Unauthenticated, Undecided
from heapfast.errors import KubeError
from tests.unit.auth.chains import CONFIG_MAP, PARSERS, AccessStatus, ReviewedUser, StagedChain, TokenStatus

PODS = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods"
FORGED = (("X-Remote-User", "root"), ("X-Remote-Group", "system:masters"))
GOOD = ("Authorization", "Bearer good")
BAD = ("Authorization", "Bearer bad")
AWAY = ("Authorization", "Bearer away")


async def review_token(token: str) -> TokenStatus:
    if token == "away":
        raise KubeError("cannot reach it", reason="connect")
    return TokenStatus(token == "good", ReviewedUser("bearer"))


async def allow(spec: dict[str, Any]) -> AccessStatus:
    return AccessStatus(allowed=True)


async def away(spec: dict[str, Any]) -> AccessStatus:
    raise KubeError("cannot reach it", reason="connect")


def staged(**options: Any) -> StagedChain:
    return StagedChain(review_token, options.pop("access", allow), **options)


async def who(staged: StagedChain, path: str, certificate: str | None, *headers: tuple[str, str]) -> str | int:
    """The user's name, or the status of the refusal."""
    try:
        return (await staged.ask(path, *headers, certificate=certificate)).user.name
    except Unauthenticated:
        return 401
    except Forbidden:
        return 403
    except Undecided:
        return 500


#: (what, certificate, headers, with anonymous callers, without them)
CALLERS: list[tuple[str, str | None, tuple[tuple[str, str], ...], str | int, str | int]] = [
    ("nothing", None, (), "system:anonymous", 401),
    ("a forged user", None, FORGED, "system:anonymous", 401),
    ("a forged user and a good token", None, (*FORGED, GOOD), "bearer", "bearer"),
    ("a forged user and a bad token", None, (*FORGED, BAD), 401, 401),
    ("a forged user with a client certificate", "client-alice", FORGED, "cert-alice", "cert-alice"),
    ("a forged user with a foreign certificate", "client-foreign", FORGED, 401, 401),
    ("a forged user with an expired proxy", "front-proxy-expired", FORGED, 401, 401),
    ("the front proxy", "front-proxy", FORGED, "root", "root"),
    ("the front proxy for nobody", "front-proxy", (), 401, 401),
    ("the front proxy for nobody, and a good token", "front-proxy", (GOOD,), "bearer", "bearer"),
    ("the front proxy and a bad token", "front-proxy", (*FORGED, BAD), "root", "root"),
    ("a client certificate", "client-alice", (), "cert-alice", "cert-alice"),
    ("a client certificate and a good token", "client-alice", (GOOD,), "cert-alice", "cert-alice"),
    ("a client certificate and a bad token", "client-alice", (BAD,), "cert-alice", "cert-alice"),
    ("a foreign certificate and a good token", "client-foreign", (GOOD,), "bearer", "bearer"),
    ("a future certificate", "client-future", (), 401, 401),
    ("a good token", None, (GOOD,), "bearer", "bearer"),
    ("a bad token", None, (BAD,), 401, 401),
    ("a token while the API server is away", None, (AWAY,), 401, 401),
    ("another scheme", None, (("Authorization", "Basic YTpi"),), "system:anonymous", 401),
]  # fmt: skip


@pytest.mark.parametrize(
    ("certificate", "headers", "open_to_all", "closed"), [row[1:] for row in CALLERS], ids=[row[0] for row in CALLERS]
)
async def test_who_asks(
    certificate: str | None, headers: tuple[tuple[str, str], ...], open_to_all: str | int, closed: str | int
) -> None:
    assert await who(staged(allows_anonymous=True), PODS, certificate, *headers) == open_to_all
    assert await who(staged(allows_anonymous=False), PODS, certificate, *headers) == closed


@pytest.mark.parametrize("allows_anonymous", [True, False])
@pytest.mark.parametrize(
    ("path", "certificate", "headers", "wanted"),
    [
        ("/livez", None, (), "system:anonymous"),
        ("/livez", None, FORGED, "system:anonymous"),
        ("/livez", None, (BAD,), 401),
        ("/readyz", "client-foreign", (), 401),
        ("/healthz", "front-proxy", (), 401),
        ("/healthz", "client-alice", (), "cert-alice"),
    ],
)
async def test_probes_need_no_proof_but_a_false_one_is_refused(
    allows_anonymous: bool, path: str, certificate: str | None, headers: tuple[tuple[str, str], ...], wanted: str | int
) -> None:
    assert await who(staged(allows_anonymous=allows_anonymous, access=away), path, certificate, *headers) == wanted


@pytest.mark.parametrize("path", ["/livez/ping", "/metrics", "/", PODS])
async def test_without_anonymous_callers_nothing_else_is_open(path: str) -> None:
    entrance = staged(allows_anonymous=False)
    assert await who(entrance, path, None) == 401
    assert entrance.specs == []


async def test_what_a_caller_without_proof_asks_for_is_not_even_read() -> None:
    read: list[bytes] = []

    def parse_query(query: bytes) -> dict[str, str]:
        read.append(query)
        return {}

    entrance = staged(parsers=PARSERS._replace(query=parse_query))
    for certificate, headers in (("client-foreign", ()), (None, (BAD,)), ("front-proxy", ())):
        assert await who(entrance, PODS, certificate, *headers) == 401
    assert read == []
    assert await who(entrance, PODS, "client-alice") == "cert-alice"
    assert read == [b""]


async def test_an_api_server_that_is_away_closes_the_door() -> None:
    entrance = staged(access=away)
    assert await who(entrance, PODS, "client-alice") == 500
    assert await who(entrance, PODS, None) == 500
    assert await who(entrance, PODS, "client-admin") == "cert-admin"
    assert entrance.sample("authorization_attempts_total", result="error") == 2


@pytest.mark.parametrize(
    ("missing", "certificate", "headers"),
    [("client-ca-file", "client-alice", ()), ("requestheader-client-ca-file", "front-proxy", FORGED)],
)
async def test_without_their_ca_certificates_prove_nothing(
    missing: str, certificate: str, headers: tuple[tuple[str, str], ...]
) -> None:
    settings = {key: text for key, text in CONFIG_MAP.items() if key != missing}
    assert await who(staged(config_map=settings), PODS, certificate, *headers) == 401


async def test_a_connection_may_outlive_its_certificate() -> None:
    entrance = staged()
    assert await who(entrance, PODS, "client-alice") == "cert-alice"
    entrance.clock.advance(20 * 366 * 86_400)
    assert await who(entrance, PODS, "client-alice") == 401


async def test_permission_in_one_namespace_opens_no_other() -> None:
    async def only_default(spec: dict[str, Any]) -> AccessStatus:
        return AccessStatus(spec["resourceAttributes"].get("namespace") == "default")

    entrance = staged(access=only_default)
    group = "/apis/metrics.k8s.io/v1beta1"
    for _ in range(2):  # as asked, and as remembered
        assert await who(entrance, PODS, "client-alice") == "cert-alice"
        for path in (
            f"{group}/pods",
            f"{group}/namespaces/kube-system/pods",
            f"{group}/namespaces/kube-system/pods/default",
            f"{group}/namespaces//pods",
            f"{group}//namespaces/default/pods",
            f"{group}/watch/pods",
        ):
            assert await who(entrance, path, "client-alice") == 403, path


@pytest.mark.parametrize(
    ("header", "name"), [("Impersonate-User", "root"), ("Impersonate-Group", ""), ("Impersonate-Extra-X", "")]
)
async def test_nobody_acts_as_somebody_else(header: str, name: str) -> None:
    entrance = staged()
    with pytest.raises(Forbidden) as caught:
        await entrance.ask(PODS, (header, "root"), certificate="client-admin")
    asked = caught.value.attributes
    assert (asked.verb, asked.resource, asked.name) == ("impersonate", "users", name)
    assert entrance.specs == []


async def test_a_warning_reaches_the_caller_whatever_is_decided() -> None:
    two_blanks = ("Authorization", "Bearer  good")
    assert "extra space" in (await staged().ask("/livez", two_blanks)).warning
    with pytest.raises(Forbidden) as caught:
        await StagedChain().ask(PODS, two_blanks)
    assert "extra space" in caught.value.warning
    assert (await staged().ask("/livez")).warning == ""


async def test_admission_says_who_and_what() -> None:
    admission = await staged().ask(PODS, query=b"labelSelector=app%3Dx")
    assert admission.user == ANONYMOUS
    assert (admission.attributes.namespace, admission.attributes.labels[0].key) == ("default", "app")
    admission = await staged().ask(PODS, ("X-Remote-User", "u"), certificate="front-proxy")
    assert admission.user == User("u", ("system:authenticated",))


async def test_attempts_are_counted() -> None:
    entrance = staged()
    for headers in ((), (GOOD,), (BAD,)):
        await who(entrance, PODS, None, *headers)
    assert entrance.sample("authentication_attempts", result="success") == 2
    assert entrance.sample("authentication_attempts", result="failure") == 1
    assert entrance.sample("authenticated_user_requests", username="other") == 2
    assert entrance.sample("authorization_attempts_total", result="allowed") == 2


@pytest.mark.parametrize("refusal", [BAD, AWAY])
async def test_no_secret_is_told_or_logged(refusal: tuple[str, str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    entrance = staged(allows_anonymous=False)
    with pytest.raises(Unauthenticated) as caught:
        await entrance.ask(PODS, ("Authorization", "Bearer s3cr3t-t0ken"), ("X-Remote-User", "s3cr3t-user"))
    told = [caught.value]
    with pytest.raises(Unauthenticated) as caught:
        await entrance.ask(PODS, refusal, ("X-Remote-User", "s3cr3t-user"))
    told.append(caught.value)
    assert "s3cr3t" not in caplog.text + repr(told) + "".join(repr(vars(error)) for error in told)
    assert caplog.records == []


async def test_closing_gives_up_reviews_and_can_be_done_twice() -> None:
    entrance = staged()
    await entrance.auth.close()
    await entrance.auth.close()
