"""A kubelet's resource metrics: the compiled parser beside three plain ones, in one run.

In      how many pods of two containers a node has
Out     figures: bytes, microseconds a body (best of several), GB/s, and times slower the others
Callers `python -m bench.micro.exposition [PODS]`, bench/micro/command.py
Source  design section 10: at least 1.5 GB/s at 30 pods with 2 containers
Never   counts time before all four gave the same numbers

The body is as kubelets since 1.30 write it: all families of spec/metrics-k8s-io.md 19.1, numbers in Go's shortest form;
with a start in nanoseconds, which takes 17 digits.
`regex` does no more than find what rows need; it would take a broken answer for a good one.
"""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from bench.figures import Figures, Scale, at_least, main
from heapfast.wire import naive_exposition
from heapfast.wire._resource import parse_resource
from heapfast.wire._rows import Rows

SCALE = Scale(full=30, quick=3, unit="pods")
BUDGETS = {"compiled, GB/s": at_least(1.5)}
CONTAINERS = 2
SECONDS_EACH = 1.0
NOW_MS = 1_767_225_600_000

#: Of everything a kubelet says, by (namespace, pod, container): values by family. The node is ("", "", "").
Values = dict[tuple[str, str, str], dict[str, float]]

REGEX = re.compile(
    rb"^(node_cpu_usage_seconds_total|node_memory_working_set_bytes|container_cpu_usage_seconds_total"
    rb"|container_memory_working_set_bytes|container_start_time_seconds)"
    rb'(?:\{container="([^"]*)",namespace="([^"]*)",pod="([^"]*)"\})? (\S+)',
    re.MULTILINE,
)

METRICS = {
    "cpu/usage": ("node_cpu_usage_seconds_total", "container_cpu_usage_seconds_total"),
    "memory/working_set": ("node_memory_working_set_bytes", "container_memory_working_set_bytes"),
}


def go_float(value: float) -> str:
    """A float as Prometheus' Go library writes it."""
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return repr(value).removesuffix(".0")
    # The fewest digits that read back as the same double.
    return next(text for text in (f"{value:.{digits}e}" for digits in range(17)) if float(text) == value)


def make_body(pods: int, containers: int, seed: int = 7) -> bytes:
    """One kubelet's answer."""
    rng = random.Random(seed)
    pod_names = [
        (f"team-{pod % 7}", f"checkout-{rng.randrange(16**10):010x}-{rng.randrange(16**5):05x}") for pod in range(pods)
    ]
    names = [(*name, f"app-{container}") for name in pod_names for container in range(containers)]
    when = {name: NOW_MS - rng.randrange(15_000) for name in [*names, *pod_names]}

    def seconds() -> float:
        return rng.randrange(10**14) / 1e9

    def pages() -> float:
        return float(4096 * rng.randrange(100_000))

    def family(name: str, kind: str, series: list[Any], value: Callable[[], float], has_time: bool = True) -> list[str]:
        lines = [f"# HELP {name} [STABLE] What the kubelet says about it, in a sentence", f"# TYPE {name} {kind}"]
        for key in series:
            labels = dict(zip(("namespace", "pod", "container"), key, strict=False))
            text = ",".join(f'{label}="{labels[label]}"' for label in sorted(labels))
            lines.append(f"{name}{{{text}}} {go_float(value())}" + (f" {when[key]}" if has_time else ""))
        return lines

    lines = [
        *family("container_cpu_usage_seconds_total", "counter", names, seconds),
        *family("container_memory_working_set_bytes", "gauge", names, pages),
        *family("container_start_time_seconds", "gauge", names, lambda: 1.7e9 + seconds(), has_time=False),
        *family("container_swap_usage_bytes", "gauge", names, lambda: 0.0),
        "# TYPE node_cpu_usage_seconds_total counter",
        f"node_cpu_usage_seconds_total {go_float(seconds())} {NOW_MS}",
        "# TYPE node_memory_working_set_bytes gauge",
        f"node_memory_working_set_bytes {go_float(pages())} {NOW_MS}",
        *family("pod_cpu_usage_seconds_total", "counter", pod_names, seconds),
        *family("pod_memory_working_set_bytes", "gauge", pod_names, pages),
        *family("pod_swap_usage_bytes", "gauge", pod_names, lambda: 0.0),
        "# TYPE resource_scrape_error gauge",
        "resource_scrape_error 0",
    ]
    return ("\n".join(lines) + "\n").encode()


def by_regex(body: bytes) -> list[tuple[bytes, ...]]:
    return REGEX.findall(body)


def by_client(body: bytes) -> list[Any]:
    return list(text_string_to_metric_families(body.decode()))


def values_of_regex(body: bytes) -> Values:
    out: Values = {}
    for name, container, namespace, pod, value in by_regex(body):
        out.setdefault((namespace.decode(), pod.decode(), container.decode()), {})[name.decode()] = float(value)
    return out


def values_of_client(body: bytes) -> Values:
    out: Values = {}
    wanted = {name for names in METRICS.values() for name in names} | {"container_start_time_seconds"}
    for family in by_client(body):
        for sample in family.samples:
            if sample.name in wanted:
                key = tuple(sample.labels.get(label, "") for label in ("namespace", "pod", "container"))
                out.setdefault(key, {})[sample.name] = sample.value
    return out


def values_as_rows(values: Values) -> Iterator[tuple[Any, ...]]:
    """Names, CPU, memory and start as rows have them."""
    for (namespace, pod, container), by_family in values.items():
        cpu, memory = (next(by_family[name] for name in names if name in by_family) for names in METRICS.values())
        start = by_family.get("container_start_time_seconds")
        yield namespace, pod, container, int(cpu * 1e9), int(memory), None if start is None else int(start * 1e9)


def rows_of(dicts: list[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    for entry in dicts:
        names = entry.get("namespace", ""), entry.get("pod", ""), entry["name"]
        yield *names, *(entry["metrics"][metric] for metric in METRICS), entry["start_ns"]


def best_us(parse: Callable[[], object]) -> float:
    """The fastest of as many runs as fit the time; at least three."""
    best, started, runs = float("inf"), time.perf_counter(), 0
    while runs < 3 or time.perf_counter() - started < SECONDS_EACH:
        before = time.perf_counter()
        parse()
        best = min(best, time.perf_counter() - before)
        runs += 1
    return best * 1e6


def run(pods: int) -> Figures:
    body = make_body(pods, CONTAINERS)
    rows = Rows()
    parse_resource(body, rows)
    want = sorted(rows_of(rows.to_dicts()), key=str)
    assert len(want) == pods * CONTAINERS + 1
    assert rows.bad_values == 0
    assert sorted(rows_of(naive_exposition.parse_resource(body).rows), key=str) == want
    assert sorted(values_as_rows(values_of_regex(body)), key=str) == want
    assert sorted(values_as_rows(values_of_client(body)), key=str) == want
    compiled = best_us(lambda: parse_resource(body, rows))
    figures = {"body, bytes": len(body), "compiled, us": compiled, "compiled, GB/s": len(body) / compiled / 1e3}
    others: dict[str, Callable[[bytes], object]] = {
        "regex": by_regex,
        "prometheus_client": by_client,
        "naive": naive_exposition.parse_resource,
    }
    for name, other in others.items():
        took = best_us(partial(other, body))
        figures |= {f"{name}, us": took, f"{name}, times slower": took / compiled}
    return figures


if __name__ == "__main__":
    sys.exit(main(__doc__, run, SCALE, BUDGETS))
