"""Amounts of CPU and memory in an object, with what could not be read.

In      the `cpu` and `memory` members of a resource list
Out     millicores and bytes, 0 where there is none; faults as texts
Callers nodes, pods
Source  spec/heapster-pipeline.md 5.2.3: all values are written, absent ones as 0
Never   raises for bad text: one container's typing error must not cost its pod
"""

from __future__ import annotations

from heapfast.codec._quantity import parse_milli_value, parse_value
from heapfast.errors import ParseError
from heapfast.kube.objects import Amounts


def read_amounts(amounts: Amounts | None, where: str, faults: list[str]) -> tuple[int, int]:
    """Read a resource list as (millicores, bytes).

    Args:
        amounts: the list, None when the object has none.
        where: names the list in a fault, such as "container web limits".
        faults: gets one text for each value that could not be read; that value is 0.
    """
    if amounts is None:
        return 0, 0
    millicores = n_bytes = 0
    if amounts.cpu is not None:
        try:
            millicores = parse_milli_value(str(amounts.cpu))
        except ParseError as error:
            faults.append(f"{where}: cpu: {error}")
    if amounts.memory is not None:
        try:
            n_bytes = parse_value(str(amounts.memory))
        except ParseError as error:
            faults.append(f"{where}: memory: {error}")
    return millicores, n_bytes
