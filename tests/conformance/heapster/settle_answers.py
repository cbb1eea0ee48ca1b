"""Transformations that make a recorded answer and ours comparable; differences.py says why and where.

In      an Exchange: a recorded vector and our answer to its request
Out     the same, changed in place; False when there was nothing to change
Callers the table in differences.py
Never   looks at more of an answer than the decision is about
"""

from __future__ import annotations

import json
import math
import re
import struct
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from heapfast.catalog.keys import Kind, key
from tests.conformance.heapster.exchange import MODEL, points
from tests.conformance.heapster.settle_batches import BAD_VALUE_NODES, BIG_NUMBERS

if TYPE_CHECKING:
    from tests.conformance.heapster.exchange import Exchange
    from tests.conformance.heapster.recordings import Scenario
    from tests.conformance.recordings import Json

SHORT_RETENTION_NS = 140_000_000_000

_NEVER = "0001-01-01T00:00:00Z"


def node_names(exchange: Exchange) -> bool:
    """Names in place of hostnames in the list; containers of a node by its name; metrics by hostname too.

    The name is the one in the node's key, which all other routes take.
    """
    nodes = {
        metric_set["labels"]["hostname"]: name.removeprefix("node:")
        for batch in exchange.scenario.batches
        for name, metric_set in batch.sets.items()
        if metric_set["labels"]["type"] == "node"
    }
    if not exchange.is_json():
        return False
    want, got = exchange.read()
    last = exchange.scenario.batches[-1].sets
    if exchange.vector["route"] == "model/nodes":
        exchange.write([nodes[hostname] for hostname in want], got)
        return True
    name = exchange.path.removeprefix(MODEL).split("/")[1]
    if exchange.path.strip("/").endswith("/freecontainers") and want == []:
        prefix = f"node:{name}/container:"
        exchange.write([found.removeprefix(prefix) for found in last if found.startswith(prefix)], got)
        return bool(got)
    if nodes.get(name, name) != name and isinstance(want, dict) and want["metrics"] == []:
        entity = exchange.entity_and_metric()
        assert entity is not None
        exchange.write(_series(exchange.scenario, key(Kind.NODE, nodes[name]), entity[1]), got)
        return bool(got["metrics"])
    return False


def _series(scenario: Scenario, entity: str, metric: str) -> Json:
    """What the recorded batches have of a metric that is kept for long."""
    found = [
        {"timestamp": batch.timestamp, "value": batch.sets[entity]["metrics"][metric]}
        for batch in scenario.batches
        if metric in batch.sets.get(entity, {"metrics": {}})["metrics"]
    ]
    return {"metrics": found, "latestTimestamp": found[-1]["timestamp"] if found else _NEVER}


def unknown_pod(exchange: Exchange) -> bool:
    if exchange.want_status == 500:
        exchange.vector["response"]["status"] = 404
        return True
    return False


def spelling(exchange: Exchange) -> bool:
    body = exchange.vector["response"]["body"]
    exchange.vector["response"]["body"] = body.replace("availalble", "available")
    return "availalble" in body


def signed(exchange: Exchange) -> bool:
    """Reads recorded values as the int64 that they were."""
    if not exchange.is_json():
        return False
    want, got = exchange.read()
    found = False
    for one, _ in points(want, got):
        for point in one["metrics"] or ():
            if point["value"] >= 1 << 63:
                point["value"] -= 1 << 64
                found = True
    if found:
        exchange.write(want, got)
    return found


def labeled_names(exchange: Exchange) -> bool:
    """Adds the labeled metrics that the recorded batches have of the entity."""
    entity = exchange.entity_and_metric()
    if entity is None or entity[1] or not exchange.is_json():
        return False
    batches = exchange.scenario.batches
    names = {
        labeled["name"]
        for batch in batches
        if batch.timestamp_ns > batches[-1].closed_ns - SHORT_RETENTION_NS and entity[0] in batch.sets
        for labeled in batch.sets[entity[0]]["labeled"]
    }
    want, got = exchange.read()
    if names:
        exchange.write([*want, *sorted(names)], got)
    return bool(names)


def wide_floats(exchange: Exchange) -> bool:
    """Takes our whole number for the recorded one, if rounding our float to 32 bits gives that."""
    if not exchange.is_json():
        return False
    want, got = exchange.read()
    found = False
    for one, other in points(want, got):
        for point, ours in zip(one["metrics"] or (), other["metrics"] or (), strict=False):
            if "floatValue" in ours and ours["value"] != point["value"]:
                (narrow,) = struct.unpack("f", struct.pack("f", ours["floatValue"]))
                if math.trunc(narrow) == point["value"]:
                    point["value"] = ours["value"]
                    found = True
    if found:
        exchange.write(want, got)
    return found


def float_values(exchange: Exchange) -> bool:
    """Takes floatValue out of ours, if it says the same as value."""
    if not exchange.is_json():
        return False
    want, got = exchange.read()
    found = False
    for _, other in points(want, got):
        for point in other["metrics"] or ():
            if "floatValue" in point and math.trunc(point["floatValue"]) == point["value"]:
                del point["floatValue"]
                found = True
    if found:
        exchange.write(want, got)
    return found


def repeated_names(exchange: Exchange) -> bool:
    """Takes repeated points out of the recorded items."""
    if not exchange.is_json():
        return False
    want, got = exchange.read()
    found = False
    for item in want["items"] or ():
        unique = list({point["timestamp"]: point for point in item["metrics"]}.values())
        found = found or len(unique) < len(item["metrics"])
        item["metrics"] = unique
    if found:
        exchange.write(want, got)
    return found


def type_of_compressed_errors(exchange: Exchange) -> bool:
    headers = exchange.vector["response"]["headers"]
    if exchange.want_status >= 400 and "content-encoding" in headers and "content-type" not in headers:
        headers["content-type"] = "text/plain; charset=utf-8"
        return True
    return False


def no_pprof(exchange: Exchange) -> bool:
    if exchange.want_status != 200:
        return False
    exchange.vector["response"]["status"] = 404
    return True


def resets(exchange: Exchange) -> bool:
    """Takes negative rates out of the recorded points; a share of a rate that is not there is 0."""
    if not exchange.is_json():
        return False
    want, got = exchange.read()
    found = False
    for one, _ in points(want, got):
        for point in list(one["metrics"] or ()):
            if point["value"] < 0:
                found = True
                if exchange.path.rstrip("/").endswith("node_utilization"):
                    point["value"] = 0
                else:
                    one["metrics"].remove(point)
    if found:
        exchange.write(want, got)
    return found


def big_numbers(exchange: Exchange) -> bool:
    """The pod big-numbers has no rss and no working set, and so nothing in apis/metrics."""
    path = exchange.path.strip("/")
    if path.startswith("apis/"):
        return _big_numbers_of_apis(exchange, path)
    if not exchange.is_json():
        return False
    want, got = exchange.read()
    if isinstance(want, list) and "/pods/big-numbers/" in exchange.path and path.endswith("/metrics"):
        exchange.write([name for name in want if name not in BIG_NUMBERS], got)
        return True
    if not path.endswith(BIG_NUMBERS):
        return False
    found = False
    names = re.search(r"pod-list/([^/]+)/", exchange.path)
    wanted = names[1].split(",") if names else ["big-numbers" if "/pods/big-numbers/" in exchange.path else ""]
    for name, (one, _) in zip(wanted, points(want, got), strict=False):
        if name == "big-numbers" and one["metrics"]:
            one |= {"metrics": [], "latestTimestamp": _NEVER}
            found = True
    if found:
        exchange.write(want, got)
    return found


def _big_numbers_of_apis(exchange: Exchange, path: str) -> bool:
    if exchange.want_status != 200:
        return False
    if path.endswith("/pods/big-numbers"):
        exchange.expect(404, "No metrics available for pod default/big-numbers")
        return True
    want, got = exchange.read()
    if "items" not in want or not want["items"]:
        return False
    kept = [item for item in want["items"] if item["metadata"]["name"] != "big-numbers"]
    if len(kept) == len(want["items"]):
        return False
    exchange.write({**want, "items": kept}, got)
    return True


def bad_values(exchange: Exchange) -> bool:
    """Takes the nodes with one bad number out of our lists; what is asked of them alone must be there."""
    if any(f"/nodes/{node}/" in f"{exchange.path}/" for node in BAD_VALUE_NODES):
        return _take_what_is_there(exchange)
    if not exchange.is_json():
        return False
    want, got = exchange.read()
    if isinstance(got, list):
        kept: Any = [name for name in got if not any(node in name for node in BAD_VALUE_NODES)]
        n_less = len(got) - len(kept)
    elif got.get("items"):
        items = [item for item in got["items"] if item.get("metadata", {}).get("name") not in BAD_VALUE_NODES]
        kept, n_less = {**got, "items": items}, len(got["items"]) - len(items)
    else:
        return False
    if n_less:
        exchange.write(want, kept)
    return n_less > 0


def _take_what_is_there(exchange: Exchange) -> bool:
    """Accepts an answer about a node that Heapster had lost, if it is one and the recorded one was none."""
    if exchange.answer.status != 200 or exchange.want_status not in (200, 404):
        return False
    got = json.loads(exchange.answer.body)
    is_something = bool(got.get("metrics") or got.get("usage")) if isinstance(got, dict) else bool(got)
    was_nothing = exchange.want_status == 404 or json.loads(exchange.vector["response"]["body"]) in (
        [],
        {"metrics": [], "latestTimestamp": _NEVER},
    )
    if not (is_something and was_nothing):
        return False
    exchange.vector["match"] = {"kind": "status"}
    exchange.vector["response"] |= {"status": 200, "headers": exchange.answer.headers}
    return True


def disks(exchange: Exchange) -> bool:
    """States the rates of the second disk as the recorded counters have them."""
    query = exchange.vector["request"]["path"].partition("?")[2]
    entity = exchange.entity_and_metric()
    if "resource_id:8:16" not in query or entity is None or not entity[1].endswith("_rate"):
        return False
    name, metric = entity
    counters = {}
    for batch in exchange.scenario.batches:
        for labeled in batch.sets[name]["labeled"]:
            if labeled["name"] == metric.removesuffix("_rate") and labeled["labels"]["resource_id"] == "8:16":
                counters[batch.timestamp] = (batch.sets[name]["scrape_time_ns"], labeled["value"])
    samples = list(counters.items())
    rates = {
        stamp: 1e9 * (value - former) / (at - before)
        for (_, (before, former)), (stamp, (at, value)) in pairwise(samples)
    }
    want, got = exchange.read()
    for point in want["metrics"]:
        point["value"] = math.trunc(rates[point["timestamp"]])
    exchange.write(want, got)
    return True


def descriptions(exchange: Exchange) -> bool:
    """Takes the recorded descriptions of metrics and labels for ours, which have to be there."""
    if exchange.want_status != 200 or not exchange.path.endswith("metric-export-schema"):
        return False
    want, got = exchange.read()
    described = [(want[part], got[part]) for part in ("metrics", "common_labels", "pod_labels")]
    described += [(one["labels"], other["labels"]) for one, other in zip(*described[0], strict=True) if "labels" in one]
    for one, other in described:
        for entry, ours in zip(one, other, strict=True):
            assert ours["description"]
            entry["description"] = ours["description"]
    exchange.write(want, got)
    exchange.vector["match"] = {"kind": "json"}
    return True
