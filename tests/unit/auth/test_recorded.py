"""Every recorded request of the reference's `auth` scenario, put to the chain.

The recorded API server's policy answers reviews. A recorded 401, 403 or 500 must be that here too; whatever
was let in (answered by what lies behind the chain) must be let in. Reviews are compared word for word.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest

from heapfast.auth.chain import Asked
from heapfast.auth.config_map import read_settings
from heapfast.auth.refusals import Forbidden, Unauthenticated, Undecided
from heapfast.errors import KubeError
from heapfast.query.quoting import quote
from heapfast.units import NS_PER_SECOND
from tests.shared import shared_path
from tests.unit.auth import certificates
from tests.unit.auth.chains import AccessStatus, ReviewedUser, StagedChain, TokenStatus

#: Where we differ on purpose: we never let anybody act as somebody else, so all of these are 403.
IMPERSONATION = "auth/impersonate"

#: How the recorded config map names authorities.
PEM = "<PEM of {}>"


class Policy:
    """Answers reviews as the recorded API server did."""

    def __init__(self, rules: dict[str, list[dict[str, Any]]]) -> None:
        self._rules = rules

    async def review_token(self, token: str) -> TokenStatus:
        status = self._status("tokenreviews", {"token": token})
        return TokenStatus(status.get("authenticated", False), ReviewedUser(**status.get("user", {})))

    async def review_access(self, spec: dict[str, Any]) -> AccessStatus:
        status = self._status("subjectaccessreviews", json.loads(json.dumps(spec)))
        return AccessStatus(status.get("allowed", False), status.get("denied", False), status.get("reason", ""))

    def _status(self, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        for rule in self._rules[kind]:
            if all(fits(spec, path, wanted) for path, wanted in rule["when"].items()):
                answer = rule["answer"]
                if "status_code" in answer:
                    raise KubeError("no", answer["status_code"], reason="status")
                if "reset" in answer or "hang_s" in answer:
                    raise KubeError("no", reason="broken")
                return answer["status"]  # type: ignore[no-any-return]
        return {}


def fits(spec: dict[str, Any], path: str, wanted: Any) -> bool:
    found: Any = spec
    for member in path.split("."):
        found = found.get(member) if isinstance(found, dict) else None
    if isinstance(wanted, dict):
        return isinstance(found, str) and found.startswith(wanted["prefix"])
    return wanted in found if isinstance(found, list) else found == wanted


def with_certificates(data: dict[str, str]) -> dict[str, str]:
    names = {PEM.format(name): certificates.authority(name).pem for name in certificates.AUTHORITIES}
    return {key: names.get(text, text) for key, text in data.items()}


def forbidden_text(refusal: Forbidden) -> str:
    """The answer's message, from what the refusal carries."""
    asked = refusal.attributes
    who = f"User {quote(refusal.user.name)} cannot {asked.verb}"
    if asked.is_resource:
        what = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
        if asked.name:
            what += f" {quote(asked.name)}"
        resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
        where = f"in the namespace {quote(asked.namespace)}" if asked.namespace else "at the cluster scope"
        text = f"{what} is forbidden: {who} resource {quote(resource)} in API group {quote(asked.group)} {where}"
    else:
        text = f"forbidden: {who} path {quote(asked.path)}"
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"{text}: {refusal.reason}" if refusal.reason else text


def asked_by(vector: dict[str, Any]) -> Asked:
    request = vector["request"]
    path, _, query = request["path"].partition("?")
    certificate = vector["identity"]["certificate"]
    return Asked(
        request["method"],
        unquote(path),
        query.encode(),
        [(name.lower().encode(), value.encode("latin-1")) for name, value in request["headers"]],
        [certificates.client(certificate)] if certificate else [],
    )


def recorded_message(vector: dict[str, Any]) -> str | None:
    """What a recorded refusal says; None where its format is the REST side's business."""
    response = vector["response"]
    try:
        status = response.get("body_json") or json.loads(response.get("body", ""))
    except ValueError:
        return None
    return status.get("message")  # type: ignore[no-any-return]


def recorded_specs(vector: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    specs = []
    for call in vector["calls"]:
        if call["path"].startswith(f"/apis/{kind}") and call["body"]["spec"] not in specs:
            specs.append(call["body"]["spec"])
    return specs


class Outcome(NamedTuple):
    """What the chain decided; 200 for whatever is let in."""

    status: int
    message: str = ""
    warning: str = ""


async def outcome(staged: StagedChain, vector: dict[str, Any]) -> Outcome:
    try:
        admission = await staged.auth.admit(asked_by(vector))
    except Unauthenticated as refusal:
        return Outcome(401, str(refusal))
    except Forbidden as refusal:
        return Outcome(403, forbidden_text(refusal), refusal.warning)
    except Undecided:
        return Outcome(500)
    return Outcome(200, warning=admission.warning)


def scenario() -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    folder = shared_path("conformance/metrics-server/auth")
    vectors = [json.loads(line) for line in (folder / "vectors.jsonl").read_text().splitlines()]
    description = json.loads((folder / "scenario.json").read_text())
    return (
        description,
        [vector for vector in vectors if not vector.get("after_events")],
        [vector for vector in vectors if vector.get("after_events")],
    )


async def differences(staged: StagedChain, vectors: list[dict[str, Any]]) -> list[str]:
    found: list[str] = []
    for vector in vectors:
        staged.clock.set_ns(round(vector["now"] * NS_PER_SECOND))
        staged.tokens.clear()
        staged.specs.clear()
        decided = await outcome(staged, vector)
        found += [
            f"{vector['id']} {vector['route']} {vector['request']['path']}: {difference}"
            for difference in compare(vector, decided, staged)
        ]
    return found


def compare(vector: dict[str, Any], decided: Outcome, staged: StagedChain) -> Iterator[str]:
    if vector["route"] == IMPERSONATION:
        if decided.status != 403:
            yield f"status {decided.status}, want 403"
        return
    recorded = vector["response"]["status"]
    wanted = recorded if recorded in (401, 403, 500) else 200
    if decided.status != wanted:
        yield f"status {decided.status}, want {recorded}"
        return
    text = recorded_message(vector) if wanted in (401, 403) else None
    if text is not None and decided.message != text:
        yield f"message {decided.message!r}, want {text!r}"
    warning = f'299 - "{decided.warning}"' if decided.warning else None
    if warning != vector["response"]["headers"].get("warning"):
        yield f"warning {warning!r}, want {vector['response']['headers'].get('warning')!r}"
    yield from compare_reviews("token", recorded_specs(vector, "authentication"), [{"token": t} for t in staged.tokens])
    yield from compare_reviews("access", recorded_specs(vector, "authorization"), staged.specs)


def compare_reviews(kind: str, wanted: list[dict[str, Any]], asked: list[dict[str, Any]]) -> Iterator[str]:
    if not wanted:
        return  # none was needed, or the answer was known from a request that is not among the recordings
    plain = json.loads(json.dumps(asked))
    for spec in plain:
        if "authentication.kubernetes.io/credential-id" in spec.get("extra", {}):
            spec["extra"]["authentication.kubernetes.io/credential-id"] = ["X509SHA256=<hex>"]
    if plain != wanted:
        yield f"{kind} reviews {plain}, want {wanted}"


@pytest.fixture
def staged() -> Callable[[dict[str, Any]], StagedChain]:
    def build(description: dict[str, Any]) -> StagedChain:
        policy = Policy(description["policy"])
        return StagedChain(
            policy.review_token, policy.review_access, config_map=with_certificates(description["configmap"])
        )

    return build


async def test_every_recorded_request_is_decided_as_it_was(staged: Callable[[dict[str, Any]], StagedChain]) -> None:
    description, before, _ = scenario()
    assert len(before) > 300
    assert await differences(staged(description), before) == []


async def test_recorded_requests_after_the_config_map_changed(staged: Callable[[dict[str, Any]], StagedChain]) -> None:
    description, before, after = scenario()
    assert len(after) == 5
    entrance = staged(description)
    await outcome(entrance, before[0])
    entrance.trust.use_cluster(
        read_settings(
            with_certificates(description["configmap"])
            | {
                "requestheader-client-ca-file": certificates.authority("front-proxy-ca-2").pem,
                "requestheader-allowed-names": '["front-proxy-client","second"]',
                "requestheader-group-headers": '["X-Other-Group"]',
            }
        )
    )
    assert await differences(entrance, after) == []
