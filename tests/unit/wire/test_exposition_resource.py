"""A kubelet's resource metrics as rows: what counts, what is left out, and what fails the whole answer."""

from __future__ import annotations

import random
from typing import Any

import pytest

from heapfast.errors import ParseError
from heapfast.wire import naive_exposition
from heapfast.wire._resource import parse_resource
from heapfast.wire._rows import Rows

CPU = "container_cpu_usage_seconds_total"
MEMORY = "container_memory_working_set_bytes"
START = "container_start_time_seconds"
LABELS = '{container="c",namespace="n",pod="p"}'
MS = 10**6


def parse(body: str, **more: int) -> tuple[list[dict[str, Any]], Rows]:
    """Parses, and sees that the twin makes the same of it."""
    rows = Rows()
    parse_resource(body.encode(), rows, **more)
    rows.check()
    assert (rows.to_dicts(), rows.bad_values) == naive_exposition.parse_resource(body.encode(), **more)
    return rows.to_dicts(), rows


def parse_good(body: str) -> list[dict[str, Any]]:
    found, rows = parse(body)
    assert (rows.bad_values, rows.bad_offset) == (0, -1)
    return found


def container(name: str = "c", namespace: str = "n", pod: str = "p", **more: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {
        "uid": "",
        "start_ns": None,
        "sample_ns": None,
        "metrics": {},
        "resources": [],
        "custom": [],
    }
    return {"kind": "pod_container", "name": name, "namespace": namespace, "pod": pod, **empty, **more}


def labels_of(name: str, namespace: str, pod: str) -> str:
    return f'{{container="{name}",namespace="{namespace}",pod="{pod}"}}'


def values(cpu: int, memory: int) -> dict[str, int]:
    return {"cpu/usage": cpu, "memory/working_set": memory}


def test_lines_of_one_container_make_one_row() -> None:
    body = (
        f"# HELP {CPU} [STABLE] Cumulative cpu time\n# TYPE {CPU} counter\n{CPU}{LABELS} 4.710169 1633253812125\n"
        f"{MEMORY}{LABELS} 1.253376e+07 1633253812225\n{START}{LABELS} 1.6332538e+09\n"
        "node_cpu_usage_seconds_total 357.35491 1633253809720\nnode_memory_working_set_bytes 1616273408 1633253809720\n"
    )
    node, row = parse_good(body)
    assert node == {
        "kind": "node", "name": "", "start_ns": None, "sample_ns": 1633253809720 * MS,
        "metrics": values(357354910000, 1616273408), "resources": [], "custom": [],
    }  # fmt: skip
    assert row == container(
        metrics=values(4710169000, 12533760), sample_ns=1633253812225 * MS, start_ns=1633253800 * 10**9
    )


def test_node_comes_first_wherever_its_lines_are() -> None:
    rows = parse_good(f"{CPU}{LABELS} 1 5\nnode_cpu_usage_seconds_total 2 5\n")
    assert [row["kind"] for row in rows] == ["node", "pod_container"]


@pytest.mark.parametrize("body", ["", "# HELP x y\n", "resource_scrape_error 1\nscrape_error 1\n"])
def test_answer_without_samples_has_no_rows(body: str) -> None:
    assert parse_good(body) == []


def test_node_of_which_nothing_is_said_is_no_row() -> None:
    for body in (f"{CPU}{LABELS} 1 5\n", f"{CPU}{LABELS} 1 5\nnode_cpu_usage_seconds_total NaN 5\n"):
        rows, _ = parse(body)
        assert rows == [container(metrics={"cpu/usage": 10**9}, sample_ns=5 * MS)]


def test_labels_of_a_node_are_not_looked_at() -> None:
    (node,) = parse_good('node_cpu_usage_seconds_total{container="x",pod="y",namespace="z"} 1 5')
    assert (node["kind"], node["metrics"]) == ("node", {"cpu/usage": 10**9})


@pytest.mark.parametrize(
    "name",
    [
        "node_swap_usage_bytes", "container_swap_usage_bytes", "pod_cpu_usage_seconds_total",
        "pod_memory_working_set_bytes", "xnode_cpu_usage_seconds_total", "node_cpu_usage_seconds_total_x",
        "node_cpu_usage_seconds", "NODE_cpu_usage_seconds_total", "container_cpu_usage_seconds_totals",
        "container_memory_working_set_byte", "container_start_time_second",
    ],
)  # fmt: skip
def test_other_families_are_passed_over(name: str) -> None:
    known = f"{CPU}{LABELS} 1 5\n"
    assert parse_good(f"{name}{LABELS} 7 -5\n") == []
    assert parse_good(f"{known}{name}{LABELS} 7 5\n{name} NaN\n{MEMORY}{LABELS} 2 6\n") == parse_good(
        f"{known}{MEMORY}{LABELS} 2 6\n"
    )


@pytest.mark.parametrize(
    ("text", "cpu_ns", "memory_bytes"),
    [
        ("0", 0, 0),
        ("-0", 0, 0),
        ("0.3", 300000000, 0),
        # float64(1.001) x 1e9 is 1000999999.9999999: cut, not rounded.
        ("1.001", 1000999999, 1),
        ("0.000000019", 19, 0),
        ("0.0000000019", 1, 0),
        ("123456789.987654321", 123456789987654336, 123456789),
        ("9.2e9", 9200000000000000000, 9200000000),
        ("1.5e+09", 1500000000000000000, 1500000000),
        ("-1e-10", 0, 0),
    ],
)
def test_values_are_doubles_cut_to_integers(text: str, cpu_ns: int, memory_bytes: int) -> None:
    assert (int(float(text) * 1e9), int(float(text))) == (cpu_ns, memory_bytes)
    (row,) = parse_good(f"{CPU}{LABELS} {text} 5\n{MEMORY}{LABELS} {text} 5\n")
    assert row["metrics"] == values(cpu_ns, memory_bytes)


@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf", "-1", "-150", "9223372036854775808", "9.3e+18", "1e300"])
def test_value_that_is_no_count_costs_itself_only(text: str) -> None:
    body = f"{CPU}{LABELS} 2 5\n{MEMORY}{LABELS} {text} 6\n"
    (row,), rows = parse(body)
    assert row == container(metrics={"cpu/usage": 2 * 10**9}, sample_ns=5 * MS)
    assert (rows.bad_values, rows.bad_offset) == (1, body.rindex("}") + 1)


def test_cpu_beyond_int64_nanoseconds_is_absent() -> None:
    (row,), rows = parse(f"{CPU}{LABELS} 9223372037 5\n{MEMORY}{LABELS} 1 5\n")
    assert (row["metrics"], rows.bad_values) == ({"memory/working_set": 1}, 1)


@pytest.mark.parametrize("time", ["-1", "-62135596800000"])
def test_negative_time_costs_its_sample_only(time: str) -> None:
    # metrics-server loses the node; kubelets have stated year 1 for containers that are broken.
    other = '{container="d",namespace="n",pod="p"}'
    (row, kept), rows = parse(f"{CPU}{LABELS} 2 {time}\n{START}{LABELS} 3 {time}\n{CPU}{other} 1 5\n")
    assert row == container(start_ns=3 * 10**9)
    assert kept == container("d", metrics={"cpu/usage": 10**9}, sample_ns=5 * MS)
    assert rows.bad_values == 1


def test_last_of_cpu_and_memory_says_the_time() -> None:
    for first, second in ((CPU, MEMORY), (MEMORY, CPU)):
        (row,) = parse_good(f"{first}{LABELS} 1 1795337523500\n{second}{LABELS} 1 1795337523400\n{START}{LABELS} 1 7\n")
        assert row["sample_ns"] == 1795337523400 * MS


def test_sample_without_a_time_has_that_of_the_request() -> None:
    body = f"{CPU}{LABELS} 1\nnode_cpu_usage_seconds_total 1 5\nnode_memory_working_set_bytes 1\n{START}{LABELS} 1\n"
    (node, row), _ = parse(body)
    assert (node["sample_ns"], row["sample_ns"]) == (None, None)
    (node, row), _ = parse(body, requested_ns=77)
    assert (node["sample_ns"], row["sample_ns"]) == (77, 77)


@pytest.mark.parametrize(
    ("time_ms", "sample_ns"),
    [
        ("0", 0),
        ("1", MS),
        ("9223372036854", 9223372036854 * MS),
        # Microseconds and nanoseconds for milliseconds: metrics-server, too, answers the years 2160 and 2228.
        ("1795337524000000", 6003348850173493248),
        ("1795337524000000000", 8157026217888972800),
        ("9223372036854775807", -MS),
    ],
)
def test_time_beyond_int64_nanoseconds_wraps(time_ms: str, sample_ns: int) -> None:
    (row,) = parse_good(f"{CPU}{LABELS} 1 {time_ms}\n")
    assert row["sample_ns"] == sample_ns


@pytest.mark.parametrize(
    ("text", "start_ns"),
    [("1795332524", 1795332524 * 10**9), ("1.7000783404035501e+09", 1700078340403550208), ("0", 0)],
)
def test_start_is_its_value_in_seconds(text: str, start_ns: int) -> None:
    assert parse_good(f"{START}{LABELS} {text}\n{CPU}{LABELS} 1 5\n")[0]["start_ns"] == start_ns


@pytest.mark.parametrize("text", ["NaN", "Inf", "1795332524000", "-6.795364578871345e+09", "-62135596800"])
def test_start_that_is_no_time_is_unknown(text: str) -> None:
    (row,), rows = parse(f"{START}{LABELS} {text}\n{CPU}{LABELS} 1 5\n")
    assert row == container(metrics={"cpu/usage": 10**9}, sample_ns=5 * MS)
    assert rows.bad_values == 1


def test_container_of_which_only_the_start_is_said_is_a_row() -> None:
    assert parse_good(f"{START}{LABELS} 1\n") == [container(start_ns=10**9)]


def test_last_of_several_samples_counts() -> None:
    (row,) = parse_good(f"{CPU}{LABELS} 10 5\n{CPU}{LABELS} 1000 6\n{CPU}{LABELS} 9 4\n")
    assert row == container(metrics={"cpu/usage": 9 * 10**9}, sample_ns=4 * MS)


def test_bad_sample_leaves_the_one_before_it() -> None:
    (row,), rows = parse(f"{CPU}{LABELS} 10 5\n{CPU}{LABELS} NaN 6\n{START}{LABELS} 1\n{START}{LABELS} NaN\n")
    assert row == container(metrics={"cpu/usage": 10**10}, sample_ns=5 * MS, start_ns=10**9)
    assert rows.bad_values == 2


NAMES = {
    "usual": LABELS,
    "in another order": '{pod="p",namespace="n",container="c"}',
    "with others between": '{a="1",container="c",id="/x",namespace="n",pod="p",z="2"}',
    "with longer names": '{xpod="w",container="c",containers="y",namespace="n",pod_name="z",pod="p",xcontainer="x"}',
    "twice": '{container="c",container="d",namespace="n",pod="p",pod="q"}',
    "quoted": '{"container"="c","namespace"="n","pod"="p"}',
    "with blanks": '{ container = "c" , namespace = "n" , pod = "p" , }',
    "behind a blank": ' {container="c",namespace="n",pod="p"}',
    "with text that looks like labels": '{a="container=\\"z\\",pod=\\"z\\"",container="c",namespace="n",pod="p"}',
}


@pytest.mark.parametrize("labels", NAMES.values(), ids=NAMES.keys())
def test_labels_in_any_form_name_the_same_container(labels: str) -> None:
    want = [container(metrics=values(10**9, 2), sample_ns=5 * MS)]
    assert parse_good(f"{CPU}{labels} 1 5\n{MEMORY}{labels} 2 5\n") == want
    assert parse_good(f"{CPU}{LABELS} 1 5\n{MEMORY}{labels} 2 5\n") == want
    assert parse_good(f"{CPU}{labels} 1 5\n{MEMORY}{LABELS} 2 5\n") == want


def test_quoted_family_is_the_family() -> None:
    quoted = f'{{"{CPU}",' + LABELS[1:]
    assert parse_good(f"{quoted} 1 5\n{MEMORY}{LABELS} 2 5\n{quoted} 3 6\n") == [
        container(metrics=values(3 * 10**9, 2), sample_ns=6 * MS)
    ]
    (node,) = parse_good('{"node_cpu_usage_seconds_total"} 1 5\n{"node_memory_working_set_bytes",a="b"} 2 5\n')
    assert node["metrics"] == values(10**9, 2)


def test_escapes_in_names_are_undone() -> None:
    labels = r'{container="c\"\\\n",namespace="né",pod="p\t"}'
    (row,) = parse_good(f"{CPU}{labels} 1 5\n{MEMORY}{labels} 2 5\n")
    assert (row["name"], row["namespace"], row["pod"]) == ('c"\\\n', "né", "p\\t")


@pytest.mark.parametrize(
    "labels",
    ["", "{}", '{namespace="n",pod="p"}', '{container="c",pod="p"}', '{container="c",namespace="n"}',
     '{container="c",namespace="",pod="p"}', '{container="c",namespace="n",pod=""}',
     '{Container="c",namespace="n",pod="p"}'],
)  # fmt: skip
def test_sample_of_no_container_is_bad(labels: str) -> None:
    # A line without labels ends metrics-server 0.8.1.
    body = f"{CPU}{labels} 1 5\n"
    found, rows = parse(f"{body}{CPU}{LABELS} 2 5\n")
    assert found == [container(metrics={"cpu/usage": 2 * 10**9}, sample_ns=5 * MS)]
    assert (rows.bad_values, rows.bad_offset) == (1, body.index(" 1 5") + (0 if labels else 1))


@pytest.mark.parametrize("name", ["", "POD"])
def test_container_may_have_any_name(name: str) -> None:
    (row,) = parse_good(f"{CPU}{labels_of(name, 'n', 'p')} 1 5\n")
    assert row["name"] == name


def test_names_are_told_apart_by_where_they_end() -> None:
    names = [("ab", "c", "d"), ("a", "bc", "d"), ("a", "b", "cd"), ("a", "b", "c"), ("d", "c", "ab"), ("", "ab", "cd")]
    lines = [f"{CPU}{labels_of(*name)} {i} 5\n" for i, name in enumerate(names)]
    rows = parse_good("".join(lines + lines[::-1]))
    assert [(row["name"], row["namespace"], row["pod"]) for row in rows] == names
    assert [row["metrics"]["cpu/usage"] for row in rows] == [i * 10**9 for i in range(len(names))]


@pytest.mark.parametrize("count", [1, 62, 63, 64, 65, 1000])
@pytest.mark.parametrize("order", ["same", "reversed", "shuffled", "gaps", "more"])
def test_families_may_list_containers_in_any_order(count: int, order: str) -> None:
    rng = random.Random(count)
    names = [(f"c{i % 3}", f"n{i % 7}", f"pod-{i}") for i in range(count)]
    second = list(names)
    if order == "reversed":
        second.reverse()
    elif order == "shuffled":
        rng.shuffle(second)
    elif order == "gaps":
        second = [name for name in names if rng.random() < 0.7]
    elif order == "more":
        for i in range(count):
            second.insert(rng.randrange(len(second) + 1), ("new", "n", f"pod-{i}"))
    body = "".join(f"{CPU}{labels_of(*name)} {i} 5\n" for i, name in enumerate(names))
    body += "".join(f"{MEMORY}{labels_of(*name)} {i} 6\n" for i, name in enumerate(second))
    body += "".join(f"{START}{labels_of(*name)} {i}\n" for i, name in enumerate(reversed(second)))
    rows = parse_good(body)
    assert [(row["name"], row["namespace"], row["pod"]) for row in rows] == list(dict.fromkeys(names + second))


#: metrics-server fails the node for each of these, and so do we: a mangled answer is not half believed.
BROKEN = {
    "a word": "garbage\n",
    "another family without a value": "other_metric\n",
    "another family with a bad value": "other 1_0\n",
    "another family with a bad time": "other 1 abc\n",
    "a container's value cut off": f"{MEMORY}{LABELS}",
    "a container's labels cut off": f'{MEMORY}{{container="c",names',
    "carriage returns": f"{MEMORY}{LABELS} 1 5\r\n",
    "a start with a bad time": f"{START}{LABELS} 1 abc\n",
    "OpenMetrics' seconds": f"{MEMORY}{LABELS} 1 1795337523.5\n",
    "an exemplar": f'{MEMORY}{LABELS} 1 5 # {{a="b"}} 1\n',
    "a value beyond doubles": f"{MEMORY}{LABELS} 1e400 5\n",
    "an unknown type": f"# TYPE {MEMORY} nonsense\n",
}


@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN.keys())
def test_one_broken_line_fails_the_answer(line: str) -> None:
    good = f"{CPU}{LABELS} 1 5\n"
    rows = Rows()
    parse_resource(good.encode(), rows)
    assert len(rows) == 1
    with pytest.raises(ParseError, match="cannot parse resource metrics: line 2: ") as caught:
        parse_resource((good + line).encode(), rows)
    assert len(good) <= caught.value.offset <= len(good + line)
    assert (len(rows), rows.bad_values, rows.bad_offset, rows.to_dicts()) == (0, 0, -1, [])
    with pytest.raises(ParseError):
        naive_exposition.parse_resource((good + line).encode())


def test_body_cut_anywhere_leaves_whole_rows_or_none() -> None:
    body = f"{CPU}{LABELS} 12 5\n{MEMORY}{LABELS} 34 5\nnode_cpu_usage_seconds_total 1 5\n{START}{LABELS} 7".encode()
    rows = Rows()
    for size in range(len(body)):
        cut = body[:size]
        try:
            want = naive_exposition.parse_resource(cut)
        except ParseError:
            with pytest.raises(ParseError) as caught:
                # An exact copy, so that a sanitizer sees a read beyond it.
                parse_resource(memoryview(bytearray(cut)), rows)
            assert caught.value.offset <= size
            assert len(rows) == 0
        else:
            parse_resource(memoryview(bytearray(cut)), rows)
            rows.check()
            assert rows.to_dicts() == want.rows


def test_rows_hold_a_mutable_body_until_they_are_cleared() -> None:
    body, rows = bytearray(f"{CPU}{LABELS} 1 5\n".encode()), Rows()
    parse_resource(body, rows)
    with pytest.raises(BufferError):
        body.extend(b"x")
    rows.clear()
    body.extend(b"garbage")
    with pytest.raises(ParseError):
        parse_resource(body, rows)
    body.extend(b"x")


@pytest.mark.parametrize("body", [None, "", 7])
def test_what_has_no_bytes_is_a_type_error(body: object) -> None:
    with pytest.raises(TypeError):
        parse_resource(body, Rows())  # type: ignore[arg-type]


SWAP = "container_swap_usage_bytes"


def test_swap_is_read_where_it_is_wanted() -> None:
    body = (
        f"{CPU}{LABELS} 1 1\n{MEMORY}{LABELS} 2 1\n{SWAP}{LABELS} 3.44e+10 9\n"
        "node_cpu_usage_seconds_total 1 1\nnode_memory_working_set_bytes 2 1\nnode_swap_usage_bytes 4096 9\n"
    )
    found, rows = parse(body, wants_swap=True)
    assert [row["swap"] for row in found] == [4096, 34_400_000_000]
    # Its time is not that of the others.
    assert [row["sample_ns"] for row in found] == [MS, MS]
    assert rows.bad_values == 0
    assert all("swap" not in row for row in parse_good(body))


def test_swap_alone_makes_nobody_a_container() -> None:
    found, rows = parse(f"{SWAP}{LABELS} 1 1\nnode_swap_usage_bytes 1 1\n", wants_swap=True)
    assert (found, rows.bad_values) == ([], 0)


@pytest.mark.parametrize("value", ["1.8446743709127774e+19", "-1", "NaN"])
def test_swap_beyond_its_range_is_left_out(value: str) -> None:
    """A kubelet of 1.28 wrote a sum below zero as an unsigned number."""
    body = f"{CPU}{LABELS} 1 1\n{SWAP}{LABELS} 5 1\n{SWAP}{LABELS} {value} 1\nnode_cpu_usage_seconds_total 1 1\n"
    found, rows = parse(body + f"node_swap_usage_bytes {value} 1\n", wants_swap=True)
    assert ["swap" in row for row in found] == [False, False]
    assert rows.bad_values == 0
