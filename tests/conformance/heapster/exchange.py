"""A recorded request with the reference's answer and ours, on their way to being compared.

In      a vector of a Scenario, and an Answer
Out     the same, as far as differences.py lets them be changed
Callers test_vectors.py makes them, settle_answers.py changes them
Source  README.md of the recordings
Never   decides what may be changed
"""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from heapfast.catalog.keys import Kind, key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.heapster.recordings import Scenario
    from tests.conformance.recordings import Json

MODEL = "/api/v1/model/"
_ENTITIES = (
    (Kind.POD_CONTAINER, r"namespaces/([^/]+)/pods/([^/]+)/containers/(.+)"),
    (Kind.POD, r"namespaces/([^/]+)/pods/([^/]+)"),
    (Kind.NAMESPACE, r"namespaces/([^/]+)"),
    (Kind.SYS_CONTAINER, r"nodes/([^/]+)/freecontainers/(.+)"),
    (Kind.NODE, r"nodes/([^/]+)"),
)


class Answer(NamedTuple):
    """What our app said, in the order in which match.py takes it; the body as text without content encoding."""

    status: int
    headers: dict[str, str]
    body: str


class Exchange:
    """One request with the recorded answer and ours."""

    def __init__(self, scenario: Scenario, vector: Json, answer: Answer) -> None:
        self.scenario = scenario
        self.vector = copy.deepcopy(vector)
        self.answer = answer

    @property
    def path(self) -> str:
        """Decoded, without the query."""
        return unquote(self.vector["request"]["path"].partition("?")[0])

    @property
    def want_status(self) -> int:
        return int(self.vector["response"]["status"])

    def is_json(self) -> bool:
        """Whether both answers are JSON that is compared."""
        return self.vector["match"]["kind"] == "json" and self.want_status == self.answer.status == 200

    def read(self) -> tuple[Any, Any]:
        """The recorded JSON value and ours."""
        return json.loads(self.vector["response"]["body"]), json.loads(self.answer.body)

    def write(self, want: Any, got: Any) -> None:
        """Puts changed values back. Their layout is compared no more: many other vectors do that."""
        self.vector["response"]["body"] = json.dumps(want)
        self.answer = self.answer._replace(body=json.dumps(got))

    def expect(self, status: int, text: str) -> None:
        """Wants a failure in place of what was recorded."""
        response = self.vector["response"]
        response["status"] = status
        response["body"] = text
        response["headers"] = {"content-type": "text/plain; charset=utf-8"}
        self.vector["match"] = {"kind": "exact"}

    def entity_and_metric(self) -> tuple[str, str] | None:
        """Key of the entity that a model path asks about, and the metric; "" for the list of its metrics."""
        if not self.path.startswith(MODEL):
            return None
        path = f"/{self.path.removeprefix(MODEL)}/"
        head, found, metric = path.partition("/metrics/")
        if not found:
            return None
        if not head:
            return key(Kind.CLUSTER), metric.strip("/")
        for kind, pattern in _ENTITIES:
            match = re.fullmatch(pattern, head.strip("/"))
            if match:
                return key(kind, *match.groups()), metric.strip("/")
        return None


def points(want: Any, got: Any) -> Iterator[tuple[Json, Json]]:
    """Recorded series beside ours: one, or one an item of a pod list."""
    if "items" in want:
        yield from ((one, other) for one, other in zip(want["items"], got["items"], strict=False) if "metrics" in one)
    elif "metrics" in want:
        yield want, got
