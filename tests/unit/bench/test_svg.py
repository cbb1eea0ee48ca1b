"""Charts: well-formed, to scale, and the same every time."""

from xml.etree import ElementTree

import pytest

from bench.report.svg import Bar, Series, bar_chart, line_chart, number

SVG = "{http://www.w3.org/2000/svg}"
LINES = [Series("heapfast", [(100, 10.0), (1_000, 100.0), (10_000, 1_000.0)]), Series("other <&>", [(100, 20.0)])]


def texts(chart: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(chart).iter(f"{SVG}text")]


def test_a_straight_line_on_logarithmic_axes_is_straight() -> None:
    chart = line_chart("cost", "nodes", "ms", LINES)
    circles = [
        (float(circle.attrib["cx"]), float(circle.attrib["cy"]))
        for circle in ElementTree.fromstring(chart).iter(f"{SVG}circle")
    ]
    (x0, y0), (x1, y1), (x2, y2), _ = circles
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)
    assert x0 < x1
    assert y0 > y1  # upwards


def test_axes_names_and_legend_are_there_and_escaped() -> None:
    found = texts(line_chart("cost", "nodes", "ms", LINES, note="a note"))
    assert {"cost", "a note", "nodes", "ms", "heapfast", "other <&>", "100", "1,000", "10,000"} <= set(found)


def test_a_linear_axis_starts_at_zero() -> None:
    assert "0" in texts(line_chart("memory", "minutes", "MiB", [Series("RSS", [(0, 80), (15, 420)])], is_log=False))


def test_bars_are_as_long_as_their_values() -> None:
    chart = bar_chart("CPU", "µs", [Bar("heapfast", "ours", 100.0), Bar("metrics-server", "theirs", 400.0)])
    bars = [float(bar.attrib["width"]) for bar in ElementTree.fromstring(chart).iter(f"{SVG}rect")][1:]
    assert bars[1] == pytest.approx(4 * bars[0], rel=0.01)
    assert {"heapfast", "metrics-server", "100 µs", "400 µs"} <= set(texts(chart))


def test_the_same_figures_give_the_same_bytes() -> None:
    assert line_chart("cost", "nodes", "ms", LINES) == line_chart("cost", "nodes", "ms", LINES)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.0123"), (1.5, "1.5"), (99.96, "100"), (1234.6, "1,235"), (10.0, "10")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text
