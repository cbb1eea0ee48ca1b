"""Changes that wait while a batch is being closed."""

from __future__ import annotations

from functools import partial

import pytest

from heapfast.processors.gate import Gate


def test_open_gate_lets_calls_through_at_once() -> None:
    made: list[int] = []
    Gate().pass_through(partial(made.append, 1))
    assert made == [1]


def test_shut_gate_holds_calls_back_and_makes_them_in_order() -> None:
    made: list[int] = []
    gate = Gate()
    gate.shut()
    for number in range(4):
        gate.pass_through(partial(made.append, number))
    assert made == []
    gate.open()
    assert made == [0, 1, 2, 3]
    gate.pass_through(partial(made.append, 4))
    assert made == [0, 1, 2, 3, 4]


def test_gate_can_be_shut_and_opened_again_and_twice() -> None:
    made: list[int] = []
    gate = Gate()
    gate.open()
    for number in range(3):
        gate.shut()
        gate.shut()
        gate.pass_through(partial(made.append, number))
        assert made == list(range(number))
        gate.open()
        gate.open()
        assert made == list(range(number + 1))


def test_call_made_by_a_waiting_call_comes_after_those_that_wait() -> None:
    made: list[str] = []
    gate = Gate()
    gate.shut()

    def first() -> None:
        made.append("first")
        gate.pass_through(partial(made.append, "late"))

    gate.pass_through(first)
    gate.pass_through(partial(made.append, "second"))
    gate.open()
    assert made == ["first", "second", "late"]


def test_call_that_fails_does_not_cost_the_others() -> None:
    made: list[int] = []
    gate = Gate()
    gate.shut()
    gate.pass_through(partial(made.append, 1))
    gate.pass_through(partial(int, "x"))
    gate.pass_through(partial(made.append, 2))
    with pytest.raises(ExceptionGroup) as caught:
        gate.open()
    assert made == [1, 2]
    assert [type(failure) for failure in caught.value.exceptions] == [ValueError]
    gate.pass_through(partial(made.append, 3))
    assert made == [1, 2, 3]


def test_call_that_fails_while_open_is_its_callers() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        Gate().pass_through(partial(int, "x"))
