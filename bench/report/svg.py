"""Charts as SVG, small and the same on every machine.

In      numbers, names, units
Out     text of an SVG file
Callers charts.py
Source  SVG 1.1
Never   depends on a font's metrics, a clock or chance: the same figures give the same bytes
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final, NamedTuple

WIDTH: Final = 720
LINE_HEIGHT: Final = 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 24, 56, 60
_ROW: Final = 22
_NAMES: Final = 230
#: Told apart by people who see few colours, too (Okabe and Ito).
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_STYLE: Final = (
    "text{font:12px sans-serif;fill:#333}.title{font-size:15px;font-weight:bold}.note{fill:#666}"
    ".grid{stroke:#ddd}.axis{stroke:#888}"
)


class Series(NamedTuple):
    """One line: points in ascending order of x."""

    name: str
    points: Sequence[tuple[float, float]]


class Bar(NamedTuple):
    """One bar. `group` decides its colour."""

    name: str
    group: str
    value: float


class _Axis:
    """Values to pixels, with a tick a power of ten, or at round steps."""

    def __init__(self, values: Sequence[float], start: float, end: float, *, is_log: bool) -> None:
        self._is_log = is_log
        self._start, self._end = start, end
        if is_log:
            self._low = math.floor(math.log10(min(values)) + 1e-9)
            self._high = max(math.ceil(math.log10(max(values)) - 1e-9), self._low + 1)
            self.ticks = [10.0**power for power in range(self._low, self._high + 1)]
        else:
            step = _round_step(max(*values, 0.0))
            count = max(1, math.ceil(max(values) / step - 1e-9))
            self._low, self._high = 0, step * count  # type: ignore[assignment]  # whole powers when logarithmic
            self.ticks = [step * index for index in range(count + 1)]

    def place(self, value: float) -> float:
        value = math.log10(value) if self._is_log else value
        return self._start + (self._end - self._start) * (value - self._low) / (self._high - self._low)


def line_chart(
    title: str, x_name: str, y_name: str, series: Sequence[Series], *, is_log: bool = True, note: str = ""
) -> str:
    """Lines with a mark at each point. Logarithmic on both axes unless told otherwise, where all values are above 0."""
    xs = [x for line in series for x, _ in line.points]
    ys = [y for line in series for _, y in line.points]
    x_axis = _Axis(xs, _LEFT, WIDTH - _RIGHT, is_log=is_log)
    y_axis = _Axis(ys, LINE_HEIGHT - _BOTTOM, _TOP, is_log=is_log)
    return _document(LINE_HEIGHT, title, note, _lines(x_axis, y_axis, x_name, y_name, series))


def _lines(x_axis: _Axis, y_axis: _Axis, x_name: str, y_name: str, series: Sequence[Series]) -> Iterator[str]:
    bottom, right = LINE_HEIGHT - _BOTTOM, WIDTH - _RIGHT
    for tick in x_axis.ticks:
        x = x_axis.place(tick)
        yield f'<line class="grid" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}"/>'
        yield _text(x, bottom + 16, number(tick), anchor="middle")
    for tick in y_axis.ticks:
        y = y_axis.place(tick)
        yield f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
        yield _text(_LEFT - 6, y + 4, number(tick), anchor="end")
    yield f'<path class="axis" fill="none" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>'
    yield _text((_LEFT + right) / 2, bottom + 34, x_name, anchor="middle")
    turned = f'transform="translate(16 {(_TOP + bottom) / 2:.1f}) rotate(-90)"'
    yield f'<text {turned} text-anchor="middle">{escape(y_name)}</text>'
    for index, line in enumerate(series):
        colour = COLOURS[index % len(COLOURS)]
        places = [(x_axis.place(x), y_axis.place(y)) for x, y in line.points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        yield f'<path fill="none" stroke="{colour}" stroke-width="2" d="M{path}"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places)
        x, y = _LEFT + 12 + 200 * (index % 3), LINE_HEIGHT - 8 - 14 * (index // 3)
        yield f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>'
        yield _text(x + 15, y, line.name)


def bar_chart(title: str, unit: str, bars: Sequence[Bar], *, note: str = "") -> str:
    """One row a bar, from 0, with its value behind it."""
    groups = list(dict.fromkeys(bar.group for bar in bars))
    height = _TOP + _ROW * len(bars) + 14
    longest = max((bar.value for bar in bars), default=0.0) or 1.0
    room = WIDTH - _NAMES - _RIGHT - 90

    def rows() -> Iterator[str]:
        for index, bar in enumerate(bars):
            y = _TOP + _ROW * index
            colour = COLOURS[groups.index(bar.group) % len(COLOURS)]
            width = room * bar.value / longest
            yield _text(_NAMES - 8, y + 14, bar.name, anchor="end")
            yield f'<rect x="{_NAMES}" y="{y + 3}" width="{width:.1f}" height="{_ROW - 8}" fill="{colour}"/>'
            yield _text(_NAMES + width + 6, y + 14, f"{number(bar.value)} {unit}")

    return _document(height, title, note, rows())


def number(value: float) -> str:
    """Three digits, with commas above a thousand."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _round_step(highest: float) -> float:
    """So that five or so steps reach the highest value."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest / 5))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * 5.0000001 >= highest)


def _document(height: int, title: str, note: str, parts: Iterator[str]) -> str:
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text class="title" x="16" y="24">{escape(title)}</text>',
        *([f'<text class="note" x="16" y="42">{escape(note)}</text>'] if note else []),
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
