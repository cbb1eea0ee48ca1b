"""Every recorded kubelet answer: the compiled parsers and their plain twins make the same of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from heapfast.codec._rfc3339 import parse_time
from heapfast.errors import ParseError
from heapfast.wire import naive, naive_cadvisor, naive_summary
from heapfast.wire._cadvisor import parse_cadvisor
from heapfast.wire._rows import Rows
from heapfast.wire._summary import parse_summary
from tests.shared import shared_path

Parse = Callable[[bytes, Rows], None]
Twin = Callable[[bytes], naive.Parsed]

PARSERS: dict[str, tuple[Parse, Twin]] = {
    "summary": (parse_summary, naive_summary.parse_summary),
    "cadvisor": (parse_cadvisor, naive_cadvisor.parse_cadvisor),
}


def recorded(folder: str) -> list[Path]:
    return sorted(shared_path(f"fixtures/{folder}").glob("*.json"))


def assert_same(parse: Parse, twin: Twin, body: bytes) -> Rows:
    rows = Rows()
    parse(body, rows)
    rows.check()
    want = twin(body)
    assert rows.to_dicts() == want.rows
    assert rows.bad_values == want.bad_values
    return rows


def test_recorded_summaries_have_no_bad_value() -> None:
    paths = recorded("summary")
    assert len(paths) >= 24
    for path in paths:
        rows = assert_same(*PARSERS["summary"], path.read_bytes())
        assert (rows.bad_values, rows.bad_offset) == (0, -1), path.name
        assert rows.to_dicts()[0]["kind"] == "node", path.name
        assert len(rows) >= 4, path.name


def test_recorded_cadvisor_answers_have_no_bad_value() -> None:
    paths = recorded("cadvisor")
    assert len(paths) >= 5
    for path in paths:
        rows = assert_same(*PARSERS["cadvisor"], path.read_bytes())
        assert (rows.bad_values, rows.bad_offset) == (0, -1), path.name
        assert len(rows) >= 1, path.name


@pytest.mark.parametrize("name", ["v1.15-minikube-duplicate-containers", "v1.16-minikube-duplicate-containers"])
def test_containers_listed_twice_keep_the_newest_sample(name: str) -> None:
    body = shared_path(f"fixtures/summary/{name}.newrelic.json").read_bytes()
    newest: dict[tuple[str, str, str], str] = {}
    listed = 0
    for pod in json.loads(body)["pods"]:
        for container in pod["containers"] or ():
            key = (pod["podRef"]["namespace"], pod["podRef"]["name"], container["name"])
            newest[key] = max(newest.get(key, ""), container["cpu"]["time"])
            listed += 1
    rows = assert_same(*PARSERS["summary"], body).to_dicts()
    kept = {(r["namespace"], r["pod"], r["name"]): r["sample_ns"] for r in rows if r["kind"] == "pod_container"}
    assert kept == {key: parse_time(time) for key, time in newest.items()}
    assert len(kept) < listed


#: Nodes of the scenario "odd" whose answers Heapster lost whole, and what is bad about them (Q15, Q18).
ONE_BAD_VALUE = {"odd-negative-value", "odd-fractional-value", "odd-exponent-value", "odd-string-value"}
NO_JSON = {"odd-bad-json"}


@pytest.mark.parametrize("scenario", ["plain", "odd", "flags", "fields", "cadvisor"])
def test_answers_of_the_conformance_scenarios(scenario: str) -> None:
    parse, twin = (
        (parse_cadvisor, naive_cadvisor.parse_cadvisor)
        if scenario == "cadvisor"
        else (parse_summary, naive_summary.parse_summary)
    )
    seen = 0
    for line in shared_path(f"conformance/heapster/{scenario}/inputs.jsonl").read_text("utf-8").splitlines():
        entry = json.loads(line)
        if entry["kind"] != "kubelet" or entry.get("status") != 200:
            continue
        seen += 1
        body = entry["body"].encode()
        if entry["node"] in NO_JSON:
            with pytest.raises(ParseError):
                parse(body, Rows())
            with pytest.raises(ValueError, match=r"delimiter|Expecting|Unterminated"):
                twin(body)
            continue
        rows = assert_same(parse, twin, body)
        if entry["node"] in ONE_BAD_VALUE:
            assert rows.bad_values == 1, entry["node"]
            assert body[rows.bad_offset :].startswith((b"-1", b"1.5", b"1e3", b'"7"')), entry["node"]
    assert seen >= 15
