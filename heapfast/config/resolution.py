"""How often each source is scraped, and how often a batch is closed.

In      --metric-resolution, --summary-resolution, and the option `resolution` of each source's URL
Out     Resolutions
Callers config.build
Source  ours, but for the flag: spec/heapster-rest.md 12, spec/metrics-k8s-io.md 17
Never   lets a source be scraped more often than batches are closed: the samples between would be lost

A batch is closed as often as the main source is scraped; the one beside it is scraped in every so-manieth window.
A source whose URL says nothing is scraped as often as --metric-resolution says; where that is not given, the main
source's URL says how often batches are closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from heapfast.codec._duration import format_duration
from heapfast.config.argv import Arguments
from heapfast.config.findings import Findings
from heapfast.config.flags import FLAGS
from heapfast.config.uris import Uri
from heapfast.config.values import parse_duration
from heapfast.units import NS_PER_SECOND

#: Heapster's least resolution, and metrics-server's.
HEAPSTER_MIN_RESOLUTION_NS = 5 * NS_PER_SECOND
METRICS_SERVER_MIN_RESOLUTION_NS = 10 * NS_PER_SECOND


class Resolutions(NamedTuple):
    """Spacing of batches, and of the scrapes of the source beside the main one; 0 when there is none."""

    tick_ns: int
    side_ns: int


def build_resolutions(arguments: Arguments, uris: Sequence[Uri], findings: Findings) -> Resolutions:
    """Reads and checks them.

    Args:
        uris: of the sources, the main one first; none for kubernetes.resource.
    """
    stated = [_stated(uri, findings) for uri in uris] or [None]
    tick_ns = _tick(arguments, stated[0], findings)
    if len(stated) > 1:
        # A flag that was refused is refused once.
        own_ns = tick_ns if "metric-resolution" in arguments.given else arguments.values["metric-resolution"]
        side_ns: int = own_ns if stated[1] is None else stated[1]
        _check_multiple("source", f"resolution={format_duration(side_ns)}", side_ns, tick_ns, findings)
        return Resolutions(tick_ns, side_ns)
    return Resolutions(tick_ns, _beside_none(arguments, tick_ns, findings))


def _stated(uri: Uri, findings: Findings) -> int | None:
    text = uri.options.get("resolution")
    if not text:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        findings.refuse("source", f"resolution={text}", str(error))
        return None


def _tick(arguments: Arguments, stated_ns: int | None, findings: Findings) -> int:
    flag_ns: int = arguments.values["metric-resolution"]
    is_flag = "metric-resolution" in arguments.given
    if is_flag and stated_ns not in (None, flag_ns):
        findings.refuse(
            "source",
            f"resolution={format_duration(stated_ns or 0)}",
            f"--metric-resolution, {format_duration(flag_ns)}, of the source that is scraped in every window",
        )
    least_ns = HEAPSTER_MIN_RESOLUTION_NS if "source" in arguments.given else METRICS_SERVER_MIN_RESOLUTION_NS
    if is_flag or stated_ns is None:
        name, got, tick_ns = "metric-resolution", format_duration(flag_ns), flag_ns
    else:
        name, got, tick_ns = "source", f"resolution={format_duration(stated_ns)}", stated_ns
    if tick_ns < least_ns:
        findings.refuse(name, got, f"at least {format_duration(least_ns)}")
        # The checks that follow would only repeat this fault in other words.
        return int(FLAGS["metric-resolution"].default)
    return tick_ns


def _beside_none(arguments: Arguments, tick_ns: int, findings: Findings) -> int:
    """Of the summary that a flag asks for, where there is no --source."""
    side_ns: int = arguments.values["summary-resolution"]
    if not side_ns:
        return 0
    got = format_duration(side_ns)
    if "source" in arguments.given:
        wanted = f"nothing: a second --source, kubernetes.summary_api:?resolution={got}, beside kubernetes.resource"
        findings.refuse("summary-resolution", got, wanted)
        return 0
    _check_multiple("summary-resolution", got, side_ns, tick_ns, findings)
    return side_ns


def _check_multiple(name: str, got: str, side_ns: int, tick_ns: int, findings: Findings) -> None:
    if side_ns < tick_ns or side_ns % tick_ns:
        tick = format_duration(tick_ns)
        findings.refuse(name, got, f"{tick}, which is how often batches are closed, or a multiple of it")
