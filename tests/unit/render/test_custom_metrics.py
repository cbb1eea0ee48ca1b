"""Values of custom metrics: quantities in thousandths, rounded up; the same list in every form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from heapfast.render.custom_metrics import Described, Measured, format_quantity, render_values
from heapfast.render.forms import Encoding
from heapfast.render.yaml import to_yaml
from tests.protobuf import all_of, fields, integer, text, unwrap

SECOND_NS = 1_000_000_000
VALUES = [
    Measured(Described("Pod", "web-0", "default"), 1_700_000_000 * SECOND_NS + 7, 60, 1.5),
    Measured(Described("Node", "node-1"), 1_700_000_015 * SECOND_NS, None, 17),
]
LABELS = {"resource_id": "root", "a": "b"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (17, "17"),
        (1000, "1k"),
        (25165824, "25165824"),
        (-5, "-5"),
        (0.25, "250m"),
        (0.0001, "1m"),
        (1.5166666666666666, "1517m"),
        (0.07, "70m"),  # 0.07 * 1000 is a little more than 70
        (-0.25, "-250m"),
        (2.0, "2"),
        (10**17, "100000000000000000"),  # its thousandths are no int64
        (2**63 - 1, "9223372036854775807"),
        (1e18, "1000000000000000000"),
        (1e308, str(int(1e308))),
    ],
)
def test_a_value_is_written_as_a_quantity(value: float, text: str) -> None:
    assert format_quantity(value) == text


def test_protobuf_of_v1beta2_says_what_json_says() -> None:
    body = render_values("v1beta2", "filesystem_usage", LABELS, VALUES, Encoding.PROTOBUF)
    raw = unwrap(body, "custom.metrics.k8s.io/v1beta2", "MetricValueList")
    for item, written in zip(all_of(raw, 2), _json_items("v1beta2", LABELS), strict=True):
        ((metric,), (reference,)) = all_of(item, 2), all_of(item, 1)
        assert text(metric, 1) == written["metric"]["name"] == "filesystem_usage"
        assert _labels(metric, 2) == written["metric"]["selector"]["matchLabels"] == LABELS
        assert _reference(reference) == written["describedObject"]
        assert _measured(item) == (written.get("windowSeconds"), written["value"])


def test_protobuf_of_v1beta1_says_what_json_says() -> None:
    body = render_values("v1beta1", "filesystem_usage", LABELS, VALUES, Encoding.PROTOBUF)
    raw = unwrap(body, "custom.metrics.k8s.io/v1beta1", "MetricValueList")
    for item, written in zip(all_of(raw, 2), _json_items("v1beta1", LABELS), strict=True):
        (reference,) = all_of(item, 1)
        assert text(item, 2) == written["metricName"] == "filesystem_usage"
        assert _labels(item, 6) == written["selector"]["matchLabels"] == LABELS
        assert _reference(reference) == written["describedObject"]
        assert _measured(item) == (written.get("window"), written["value"])


def test_times_in_protobuf_are_whole_seconds_cut_off() -> None:
    raw = unwrap(
        render_values("v1beta2", "uptime", {}, VALUES[:1], Encoding.PROTOBUF),
        "custom.metrics.k8s.io/v1beta2",
        "MetricValueList",
    )
    ((item,), (list_meta,)) = all_of(raw, 2), all_of(raw, 1)
    (time,) = all_of(item, 3)
    assert (integer(time, 1), integer(time, 2)) == (1_700_000_000, 0)
    assert [text(list_meta, number) for number in (1, 2, 3)] == ["", "", ""]


def test_no_selector_is_no_field_of_protobuf() -> None:
    for version, holder in (("v1beta2", 2), ("v1beta1", None)):
        body = render_values(version, "uptime", {}, VALUES[:1], Encoding.PROTOBUF)
        (item,) = all_of(unwrap(body, f"custom.metrics.k8s.io/{version}", "MetricValueList"), 2)
        assert all_of(all_of(item, holder)[0], 2) == [] if holder else all_of(item, 6) == []


@pytest.mark.parametrize("version", ["v1beta2", "v1beta1"])
def test_yaml_says_what_json_says(version: str) -> None:
    value = json.loads(render_values(version, "uptime", LABELS, VALUES))
    assert render_values(version, "uptime", LABELS, VALUES, Encoding.YAML) == to_yaml(value)


def _json_items(version: str, labels: dict[str, str]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(render_values(version, "filesystem_usage", labels, VALUES))["items"]
    return items


def _labels(message: bytes, number: int) -> dict[str, str]:
    (selector,) = all_of(message, number)
    return {text(entry, 1): text(entry, 2) for entry in all_of(selector, 1)}


def _reference(message: bytes) -> dict[str, str]:
    members = {"kind": 1, "namespace": 2, "name": 3, "uid": 4, "apiVersion": 5, "resourceVersion": 6, "fieldPath": 7}
    texts = {member: text(message, number) for member, number in members.items()}
    return {member: value for member, value in texts.items() if value}


def _measured(item: bytes) -> tuple[int | None, str]:
    windows = [value for number, value in fields(item) if number == 4]
    (quantity,) = all_of(item, 5)
    assert len(windows) <= 1
    return (integer(item, 4) if windows else None), text(quantity, 1)
