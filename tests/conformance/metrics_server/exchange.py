"""A recorded request with the reference's answer and ours, on their way to being compared.

In      a vector of a Scenario, and what our apps answered
Out     the same, as far as differences.py lets them be changed
Callers replay.py makes them, settle.py changes them
Source  README.md of the recordings
Never   decides what may be changed
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from tests.conformance.metrics_server.recordings import matcher
from tests.conformance.recordings import nanoseconds

if TYPE_CHECKING:
    from tests.conformance.metrics_server.recordings import Scenario
    from tests.conformance.recordings import Json
    from tests.unit.api.client import Answer


class Exchange:
    """One request with the recorded answer and ours.

    Attributes:
        answer: ours.
        beta_only: that of a server which serves v1beta1 alone.
        whole: for lists of which we gave a page: all pages, joined. Else None.
    """

    def __init__(self, scenario: Scenario, vector: Json, answer: Answer, beta_only: Answer, whole: Any) -> None:
        self.scenario = scenario
        self.vector = copy.deepcopy(vector)
        self.answer = answer
        self.beta_only = beta_only
        self.whole = whole

    @property
    def path(self) -> str:
        """As it was sent, without the query."""
        return str(self.vector["request"]["path"].partition("?")[0])

    @property
    def name(self) -> str:
        """Last segment of the path: of the node or pod, where one was asked for."""
        return self.path.rpartition("/")[2]

    @property
    def want_status(self) -> int:
        return int(self.vector["response"]["status"])

    def differences(self) -> list[str]:
        """What match.py finds."""
        answer = self.answer
        found: list[str] = matcher().differences(
            self.vector, answer.status, answer.headers, answer.body, self.vector["now"]
        )
        return found

    def is_list(self) -> bool:
        """Whether both answers list usage."""
        return self.want_status == self.answer.status == 200 and self.name in ("nodes", "pods")

    def leave_out(self, names: frozenset[str]) -> None:
        """Compares lists without the items of these names."""
        self.vector["match"].setdefault("accidents", []).extend(names)

    def expect_status(self, status: int, **headers: str) -> None:
        """Wants another status, with these of the headers that count, and any body."""
        self.vector["response"] = {
            "status": status,
            "headers": {key.replace("_", "-"): v for key, v in headers.items()},
        }
        self.vector["match"] = {"kind": "status"}

    def items(self) -> dict[str, Json]:
        """Our usage by name, of a list or an object as JSON; empty for other forms."""
        if self.answer.headers.get("content-type") != "application/json":
            return {}
        value = json.loads(self.answer.body)
        items = value.get("items", [value] if "timestamp" in value else [])
        return {item["metadata"]["name"]: item for item in items if "timestamp" in item}

    @property
    def now_ns(self) -> int:
        return nanoseconds(self.vector["now"])
