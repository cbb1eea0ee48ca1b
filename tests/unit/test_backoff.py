"""Waiting times between tries."""

from __future__ import annotations

from heapfast.backoff import MAX_RETRY_AFTER_SECONDS, MAX_SECONDS, Backoff


def test_waits_double_up_to_a_limit_and_never_overflow() -> None:
    backoff = Backoff(lambda: 1.0)
    waits = [backoff.next_seconds() for _ in range(3000)]
    assert waits[:8] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert waits[-1] == MAX_SECONDS


def test_the_upper_half_of_a_wait_is_random() -> None:
    assert Backoff(lambda: 0.0).next_seconds() == 0.25
    assert Backoff(lambda: 0.5).next_seconds() == 0.375


def test_the_server_may_ask_for_more_but_not_for_ever() -> None:
    backoff = Backoff(lambda: 1.0)
    assert backoff.next_seconds(7) == 7
    assert backoff.next_seconds(0.1) == 1
    assert backoff.next_seconds(86_400) == MAX_RETRY_AFTER_SECONDS


def test_success_starts_over() -> None:
    backoff = Backoff(lambda: 1.0)
    backoff.next_seconds()
    backoff.next_seconds()
    assert backoff.failures == 2
    backoff.reset()
    assert backoff.next_seconds() == 0.5
