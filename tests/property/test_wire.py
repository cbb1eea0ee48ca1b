"""Parsers against their plain twins, on made-up answers: odd types, unknown members, duplicates, escapes, any order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heapfast.errors import ParseError
from heapfast.wire import naive_cadvisor, naive_summary
from heapfast.wire._cadvisor import parse_cadvisor
from heapfast.wire._rows import Rows
from heapfast.wire._summary import parse_summary

Text = st.SearchStrategy[str]

BLANK = st.sampled_from(["", "", "", " ", "\n  ", "\r\n\t"])
ODD = st.sampled_from(["null", "true", "7", '"x"', "[]", "{}", "-1", "1.5", "1e3", '[{"a":[1,{"b":"\\\\"}]}]'])
COUNT = st.one_of(
    st.integers(0, 10**6).map(str),
    st.integers(2**63 - 2, 2**64 + 1).map(str),
    st.sampled_from(["0", "123456789012345678", "1.0", "0e0", "-0", "null"]),
    ODD,
)
TIME = st.one_of(
    st.sampled_from(
        [
            '"2017-12-11T10:00:00Z"',
            '"2017-12-11T10:00:01Z"',
            '"2017-12-11T11:00:00.25+01:00"',
            '"0001-01-01T00:00:00Z"',
            '"2017\\u002d12-11T10:00:00Z"',
            '"notatime"',
        ]
    ),
    ODD,
)
# Few names, so that duplicates are common.
NAME = st.one_of(
    st.sampled_from(
        ['"a"', '"b"', '"runtime"', '"misc"', '"\\u0061"', '"k8s_a.b"', '"/"', '"/x.y"', '""', '"é\\ud800"']
    ),
    st.text(max_size=3).map(json.dumps),
    ODD,
)
FLOAT = st.one_of(st.floats(allow_nan=False, allow_infinity=False).map(repr), st.just("1e999"), COUNT)
FLAG = st.sampled_from(["true", "true", "false", "null", "1"])


def spelled(name: str) -> Text:
    """A member name as it may stand in a document."""
    escaped = "".join(f"\\u{ord(c):04x}" for c in name)
    return st.sampled_from([name, name, name, name.upper(), name.lower(), escaped, name + "x", name[:-1]])


def an_object(**members: Text) -> Text:
    """An object with some of the members, some twice, in any order, and some that nobody knows."""
    known = [st.tuples(spelled(name.replace("_SLASH_", "/")), value) for name, value in members.items()]
    unknown = st.tuples(st.text(max_size=20).map(lambda text: json.dumps(text)[1:-1]), ODD)
    return st.builds(join_members, st.lists(st.one_of(*known, *known, unknown), max_size=len(members) + 2), BLANK)


def join_members(members: list[tuple[str, str]], blank: str) -> str:
    return "{" + ",".join(f'{blank}"{name}"{blank}:{blank}{value}{blank}' for name, value in members) + "}"


def or_odd(value: Text) -> Text:
    return st.integers(0, 9).flatmap(lambda n: ODD if n == 0 else value)


def a_list(element: Text, size: int = 3) -> Text:
    return or_odd(st.lists(or_odd(element), max_size=size).map(lambda found: "[" + ", ".join(found) + "]"))


def summaries() -> Text:
    cpu = an_object(time=TIME, usageNanoCores=COUNT, usageCoreNanoSeconds=COUNT)
    memory = an_object(
        time=TIME, usageBytes=COUNT, workingSetBytes=COUNT, rssBytes=COUNT, pageFaults=COUNT, majorPageFaults=COUNT
    )
    network = an_object(time=TIME, rxBytes=COUNT, rxErrors=COUNT, txBytes=COUNT, txErrors=COUNT)
    numbers = dict.fromkeys(
        ("availableBytes", "capacityBytes", "usedBytes", "inodesFree", "inodes", "inodesUsed"), COUNT
    )
    disk = an_object(time=TIME, **numbers)
    volume = an_object(time=TIME, name=NAME, **numbers)
    accelerator = an_object(make=NAME, model=NAME, id=NAME, memoryTotal=COUNT, memoryUsed=COUNT, dutyCycle=COUNT)
    kinds = st.sampled_from(['"gauge"', '"cumulative"', '"delta"', '"weird"', "7"])
    custom = an_object(name=NAME, type=kinds, value=FLOAT)
    container = an_object(
        name=NAME,
        startTime=TIME,
        cpu=or_odd(cpu),
        memory=or_odd(memory),
        rootfs=or_odd(disk),
        logs=or_odd(disk),
        accelerators=a_list(accelerator),
        userDefinedMetrics=a_list(custom),
    )
    pod = an_object(
        podRef=or_odd(an_object(name=NAME, namespace=NAME, uid=NAME)),
        startTime=TIME,
        containers=a_list(container),
        network=or_odd(network),
        volume=a_list(volume),
    )
    node = an_object(
        nodeName=NAME,
        systemContainers=a_list(container),
        startTime=TIME,
        cpu=or_odd(cpu),
        memory=or_odd(memory),
        network=or_odd(network),
        fs=or_odd(disk),
    )
    return an_object(node=or_odd(node), pods=a_list(pod))


def cadvisor_answers() -> Text:
    cpu = an_object(usage=or_odd(an_object(total=COUNT)))
    memory = an_object(
        usage=COUNT,
        cache=COUNT,
        rss=COUNT,
        working_set=COUNT,
        container_data=or_odd(an_object(pgfault=COUNT, pgmajfault=COUNT)),
    )
    interface = an_object(rx_bytes=COUNT, rx_errors=COUNT, tx_bytes=COUNT, tx_errors=COUNT)
    disk = an_object(device=NAME, major=COUNT, minor=COUNT, stats=or_odd(an_object(Read=COUNT, Write=COUNT)))
    filesystem = an_object(
        device=NAME, capacity=COUNT, usage=COUNT, available=COUNT, has_inodes=FLAG, inodes=COUNT, inodes_free=COUNT
    )
    accelerator = an_object(make=NAME, model=NAME, id=NAME, memory_total=COUNT, memory_used=COUNT, duty_cycle=COUNT)
    values = a_list(an_object(timestamp=TIME, int_value=COUNT, float_value=FLOAT))
    sample = an_object(
        timestamp=TIME,
        cpu=or_odd(cpu),
        memory=or_odd(memory),
        network=or_odd(an_object(interfaces=a_list(interface))),
        diskio=or_odd(an_object(io_service_bytes=a_list(disk))),
        filesystem=a_list(filesystem),
        accelerators=a_list(accelerator),
        custom_metrics=or_odd(an_object(a=values, b=values)),
    )
    custom = an_object(
        name=NAME,
        type=st.sampled_from(['"gauge"', '"cumulative"', '"delta"', "7"]),
        format=st.sampled_from(['"int"', '"float"', '"x"']),
    )
    labels = {f"io.kubernetes.{name}": NAME for name in ("container.name", "pod.namespace", "pod.name", "pod.uid")}
    flags = {f"has_{name}": FLAG for name in ("cpu", "memory", "network", "filesystem", "diskio", "custom_metrics")}
    spec = an_object(
        creation_time=TIME, labels=or_odd(an_object(**labels)), image=NAME, custom_metrics=a_list(custom), **flags
    )
    info = an_object(name=NAME, aliases=a_list(NAME, 2), spec=or_odd(spec), stats=a_list(sample, 2))
    return st.one_of(a_list(info), an_object(_SLASH_a=or_odd(info), _SLASH_b=or_odd(info)), info)


def assert_same(parse: Any, twin: Any, body: str, start: str) -> None:
    raw = body.encode()
    rows = Rows()
    if body[0] not in start:
        with pytest.raises(ParseError):
            parse(raw, rows)
        return
    want = twin(raw)
    parse(raw, rows)
    rows.check()
    assert rows.to_dicts() == want.rows
    assert rows.bad_values == want.bad_values
    assert (rows.bad_offset >= 0) == (rows.bad_values > 0)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(summaries())
def test_summary_agrees_with_its_twin(body: str) -> None:
    assert_same(parse_summary, naive_summary.parse_summary, body, "{")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(cadvisor_answers())
def test_cadvisor_answer_agrees_with_its_twin(body: str) -> None:
    assert_same(parse_cadvisor, naive_cadvisor.parse_cadvisor, body, "{[")
