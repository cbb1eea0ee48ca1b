"""Transformations of answers of the historical API; differences.py says why and where.

In      an Exchange: a recorded vector and our answer to its request
Out     the same, changed in place; False when there was nothing to change
Callers the table in differences.py
Never   takes an answer of ours for granted: what stands in for a recorded failure is made from the recorded batches
"""

from __future__ import annotations

import json
import re
import struct
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from heapfast.catalog.metrics import DEPRECATED
from heapfast.codec._rfc3339 import format_time, parse_time
from heapfast.query.aggregation import HEAPSTER_AGGREGATIONS
from tests.conformance.heapster.exchange import points
from tests.unit.history.naive import aggregate, entity_labels

if TYPE_CHECKING:
    from tests.conformance.heapster.exchange import Exchange
    from tests.conformance.recordings import Json

PREFIX = "/api/v1/historical/"
_MEMBERS = {"max": "maximum", "min": "minimum"}
_NEVER = "0001-01-01T00:00:00Z"
_INVALID = re.compile(r"Invalid (node|namespace|pod|container|metric|label) (name|id|value) ")


def invalid_names(exchange: Exchange) -> bool:
    """A name that none can have is the client's fault."""
    response = exchange.vector["response"]
    if exchange.want_status != 500 or not _INVALID.match(response["body"]):
        return False
    response["status"] = 400
    return True


def lists(exchange: Exchange) -> bool:
    """Lists what the recorded batches have, where Heapster's question was none that InfluxDB 1.6 understands."""
    parts = exchange.path.removeprefix(PREFIX).strip("/").split("/")
    match parts:
        case ["nodes"]:
            want = _entities(exchange, "node", "nodename", {})
        case ["namespaces"]:
            want = _entities(exchange, "ns", "namespace_name", {})
        case ["namespaces", namespace, "pods"]:
            want = _entities(exchange, "pod", "pod_name", {"namespace_name": namespace})
        case ["nodes", node, "freecontainers"]:
            want = _entities(exchange, "sys_container", "container_name", {"nodename": _node(exchange, node)})
        case _:
            return False
    _expect(exchange, want)
    return True


def metric_names(exchange: Exchange) -> bool:
    """Lists what the recorded batches have of the entity, where Heapster had families, or a failure."""
    head, found, rest = f"/{exchange.path.removeprefix(PREFIX)}/".partition("/metrics/")
    response = exchange.vector["response"]
    if not found or rest.strip("/") or not (response["status"] == 200 or response["body"].startswith("Unable to list")):
        return False
    wanted = _labels_of(exchange, head.strip("/")).items()
    names: set[str] = set()
    for batch in _batches(exchange):
        for metric_set in batch.sets.values():
            if wanted <= entity_labels(metric_set["labels"]).items():
                names.update(metric_set["metrics"], (labeled["name"] for labeled in metric_set["labeled"]))
    if response["status"] == 200 and sorted(json.loads(response["body"])) == sorted(names):
        return False
    _expect(exchange, sorted(names))
    return True


def no_results(exchange: Exchange) -> bool:
    """An item without samples is empty, and those with samples are as they would be alone."""
    if exchange.want_status != 500:
        return False
    path = exchange.path.removeprefix(PREFIX)
    head, _, rest = f"/{path}".partition("/metrics")
    is_aggregated = rest.startswith("-aggregated/")
    if not rest.startswith("/") and not is_aggregated:
        return False
    aggregations = ""
    if is_aggregated:
        aggregations, _, rest = rest.removeprefix("-aggregated/").partition("/")
    metric = DEPRECATED.get(rest.strip("/"), rest.strip("/"))
    *_, last = heads = head.strip("/").rsplit("/", 1)
    is_list = heads[0].rpartition("/")[2] in ("pod-list", "pod-id-list")
    items = []
    for name in last.split(",") if is_list else [""]:
        entity = head.strip("/")
        if is_list:
            entity = f"{heads[0].replace('pod-list', 'pods').replace('pod-id-list', 'pod-id')}/{name}"
        points = _points(exchange, _labels_of(exchange, entity), metric)
        items.append(_buckets(exchange, points, aggregations) if is_aggregated else _series(points))
    # All that Heapster refused to show is either not there, or part of a list, or asked for by UID or host name.
    is_hidden = is_list or "pod-id/" in head or exchange.vector["route"].endswith("by-hostname")
    assert is_hidden or not any(item.get("metrics") or item.get("buckets") for item in items), items
    _expect(exchange, {"items": items} if is_list else items[0])
    return True


def float_aggregates(exchange: Exchange) -> bool:
    """Calls what Heapster took for integers what they are, where ours say so."""
    if not exchange.is_json():
        return False
    want, got = exchange.read()
    found = False
    for one, other in _aggregates(want, got):
        for bucket, ours in zip(one["buckets"], other["buckets"], strict=False):
            for value, our_value in _values(bucket, ours):
                if "intValue" in value and "floatValue" in our_value:
                    value["floatValue"] = float(value.pop("intValue"))
                    found = True
    if found:
        exchange.write(want, got)
    return found


def wide_averages(exchange: Exchange) -> bool:
    """Takes our 64 bits for the recorded ones, if rounding them to 32 gives these."""
    if not exchange.want_status == exchange.answer.status == 200:
        return False
    exchange.vector["match"]["kind"] = "json"
    want, got = exchange.read()
    found = False
    for one, other in _aggregates(want, got):
        for bucket, ours in zip(one["buckets"], other["buckets"], strict=False):
            for value, our_value in _values(bucket, ours):
                if "floatValue" in value and "floatValue" in our_value:
                    (narrow,) = struct.unpack("f", struct.pack("f", our_value["floatValue"]))
                    if narrow == value["floatValue"] != our_value["floatValue"]:
                        value["floatValue"] = our_value["floatValue"]
                        found = True
    if found:
        exchange.write(want, got)
    return found


def wrapped_sums(exchange: Exchange) -> bool:
    """States averages of numbers whose sum passes int64 as the recorded samples have them."""
    if not exchange.is_json() or "/metrics-aggregated/" not in exchange.path:
        return False
    want, got = exchange.read()
    if "buckets" not in want or not any("average" in bucket for bucket in want["buckets"]):
        return False
    head, _, rest = f"/{exchange.path.removeprefix(PREFIX)}".partition("/metrics-aggregated/")
    metric = rest.partition("/")[2].strip("/")
    samples = _points(exchange, _labels_of(exchange, head.strip("/")), DEPRECATED.get(metric, metric))
    if abs(sum(value for _, value in samples)) < 1 << 63:
        return False
    size = want["bucketSize"] or 1 << 62
    for bucket in want["buckets"]:
        first = parse_time(bucket["timestamp"]) // size * size
        values = [value for at, value in samples if first <= at < first + size]
        bucket["average"] = {"floatValue": sum(values) / len(values)}
    exchange.write(want, got)
    return True


def huge_floats(exchange: Exchange) -> bool:
    """A float beyond int64 ends at its bound, where Go's conversion gives the least number."""
    if not exchange.is_json():
        return False
    want, got = exchange.read()
    found = False
    for one, other in points(want, got):
        for point, ours in zip(one["metrics"], other["metrics"], strict=False):
            if point["value"] in (-(1 << 63), 1 << 63) and ours.get("floatValue", 0) >= 1 << 63:
                point["value"] = ours["value"] = (1 << 63) - 1
                ours.pop("floatValue")
                found = True
    if found:
        exchange.write(want, got)
    return found


def wrapped_buckets(exchange: Exchange) -> bool:
    """A bucket that is longer than 64 bits of nanoseconds is refused."""
    if not exchange.answer.body.endswith("is longer than 106751d"):
        return False
    exchange.expect(400, exchange.answer.body)
    return True


def live_aggregates(exchange: Exchange) -> bool:
    """Takes an answer where there was no route; tests/unit/api/test_historical.py looks at what is in it."""
    if "/metrics-aggregated/" not in exchange.path or exchange.want_status != 404 or exchange.answer.status != 200:
        return False
    exchange.vector["match"] = {"kind": "status"}
    exchange.vector["response"] |= {"status": 200, "headers": exchange.answer.headers}
    return True


def _aggregates(want: Any, got: Any) -> list[tuple[Json, Json]]:
    if "items" in want:
        return [pair for pair in zip(want["items"], got["items"], strict=True) if "buckets" in pair[0]]
    return [(want, got)] if "buckets" in want else []


def _values(bucket: Json, ours: Json) -> list[tuple[Json, Json]]:
    """Every value of a recorded bucket beside ours."""
    assert set(bucket) == set(ours)
    pairs = [(bucket[name], ours[name]) for name in ("average", "maximum", "minimum", "median") if name in bucket]
    percentiles = bucket.get("percentiles", {})
    return pairs + [(value, ours["percentiles"][name]) for name, value in percentiles.items()]


def _expect(exchange: Exchange, want: Any) -> None:
    exchange.vector["response"] |= {
        "status": 200,
        "headers": {**exchange.vector["response"]["headers"], "content-type": "application/json"},
        "body": json.dumps(want),
    }
    exchange.vector["match"] = {"kind": "json"}
    if exchange.answer.status == 200:
        # Layout is compared by all vectors that were recorded with an answer.
        exchange.answer = exchange.answer._replace(body=json.dumps(json.loads(exchange.answer.body)))


def _batches(exchange: Exchange) -> list[Any]:
    return exchange.scenario.batches if exchange.vector["after_batches"] else []


def _node(exchange: Exchange, name: str) -> str:
    """The node of that name, or else of that host name (B1)."""
    hosts = {}
    for batch in _batches(exchange):
        for metric_set in batch.sets.values():
            labels = metric_set["labels"]
            if labels["type"] == "node":
                hosts[labels.get("hostname", "")] = labels["nodename"]
    return name if name in hosts.values() else hosts.get(name, name)


def _labels_of(exchange: Exchange, path: str) -> dict[str, str]:
    match path.split("/", 5):
        case [""]:
            return {"type": "cluster"}
        case ["nodes", node]:
            return {"type": "node", "nodename": _node(exchange, node)}
        case ["nodes", node, "freecontainers", *container]:
            return {
                "type": "sys_container",
                "nodename": _node(exchange, node),
                "container_name": "/".join(container),
            }
        case ["namespaces", namespace]:
            return {"type": "ns", "namespace_name": namespace}
        case ["namespaces", namespace, "pods", pod]:
            return {"type": "pod", "namespace_name": namespace, "pod_name": pod}
        case ["namespaces", namespace, "pods", pod, "containers", container]:
            return {
                "type": "pod_container",
                "namespace_name": namespace,
                "pod_name": pod,
                "container_name": container,
            }
        case ["pod-id", pod_id]:
            return {"type": "pod", "pod_id": pod_id}
        case ["pod-id", pod_id, "containers", container]:
            return {"type": "pod_container", "pod_id": pod_id, "container_name": container}
    return {"type": f"none: {path}"}


def _entities(exchange: Exchange, type_: str, name: str, parent: Json) -> list[str]:
    labels = [entity_labels(metric_set["labels"]) for batch in _batches(exchange) for metric_set in batch.sets.values()]
    return sorted({one[name] for one in labels if one["type"] == type_ and parent.items() <= one.items()})


def _query(exchange: Exchange) -> dict[str, str]:
    query = exchange.vector["request"]["path"].partition("?")[2]
    return {name: values[0] for name, values in parse_qs(query).items()}


def _points(exchange: Exchange, entity: Json, metric: str) -> list[tuple[int, int | float]]:
    query = _query(exchange)
    second = 1_000_000_000
    start_ns = parse_time(query["start"]) // second * second
    end_ns = parse_time(query["end"]) // second * second if "end" in query else 1 << 62
    labels = dict(pair.split(":", 1) for pair in query.get("labels", "").split(",") if pair)
    found: list[tuple[int, int | float]] = []
    for batch in _batches(exchange):
        if not start_ns < batch.timestamp_ns < end_ns:
            continue
        for metric_set in batch.sets.values():
            if entity.items() <= entity_labels(metric_set["labels"]).items():
                if not labels and metric in metric_set["metrics"]:
                    found.append((batch.timestamp_ns, metric_set["metrics"][metric]))
                for labeled in metric_set["labeled"]:
                    if labeled["name"] == metric and labels.items() <= labeled["labels"].items():
                        found.append((batch.timestamp_ns, labeled["value"]))
    return found


def _series(points: list[tuple[int, int | float]]) -> Json:
    shown = [{"timestamp": format_time(at), "value": value} for at, value in points]
    return {"metrics": shown, "latestTimestamp": shown[-1]["timestamp"] if shown else _NEVER}


def _buckets(exchange: Exchange, points: list[tuple[int, int | float]], aggregations: str) -> Json:
    """What the oracle makes of the samples."""
    query = _query(exchange)
    if not points:
        return {"buckets": [], "bucketSize": _bucket_ns(query.get("bucket", ""))}
    how = tuple(dict.fromkeys(HEAPSTER_AGGREGATIONS[name] for name in aggregations.split(",")))
    bucket_ns = _bucket_ns(query.get("bucket", ""))
    start_ns = parse_time(query["start"])
    stamps, values = aggregate(points, how, start_ns=start_ns, bucket_ns=bucket_ns)
    buckets = []
    for i, at in enumerate(stamps):
        bucket: Json = {"timestamp": format_time(at)}
        for name, column in values.items():
            value = column[i]
            shown = {"floatValue" if isinstance(value, float) else "intValue": value}
            if name.percentile:
                bucket.setdefault("percentiles", {})[str(name.percentile)] = shown
            else:
                bucket[_MEMBERS.get(name.name, name.name)] = value if name.name == "count" else shown
        buckets.append(bucket)
    return {"buckets": buckets, "bucketSize": bucket_ns}


def _bucket_ns(text: str) -> int:
    match = re.fullmatch(r"(\d+)(ms|[smhd])", text)
    units = {"ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000, "d": 86_400_000_000_000}
    return int(match[1]) * units[match[2]] if match else 0
