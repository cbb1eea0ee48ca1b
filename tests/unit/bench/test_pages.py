"""docs/performance.md: charts and tables are those of the files that are kept."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.curves.records import Curve, CurveResults
from bench.provenance import provenance
from bench.report.pages import (
    BEGIN,
    DOCS,
    END,
    PAGE,
    compare_lines,
    curve_charts,
    curve_lines,
    put_between,
    read_compared,
    read_curves,
)

CURVE = Curve(
    title="cost",
    claim="constant",
    x="nodes",
    y="µs",
    series={"ours": [(100, 200.0), (1_000, 220.0)], "theirs": [(100, 400.0)]},
    load_average=1.5,
)
CURVES = CurveResults(provenance=provenance(), curves={"nodes": CURVE})


def test_a_curve_says_how_far_it_is_from_flat() -> None:
    assert CURVE.spread() == {"ours": 1.1, "theirs": 1.0}


def test_a_curve_is_a_chart_a_claim_and_a_row_a_series() -> None:
    text = "\n".join(curve_lines(CURVES))
    assert "![nodes](charts/curve-nodes.svg)" in text
    assert "Claim: constant. Load average 1.5." in text
    assert "| nodes | 100 | 1,000 | highest over lowest |" in text
    assert "| ours, µs | 200 | 220 | 1.1 |" in text
    assert "| theirs, µs | 400 | - | 1 |" in text


def test_what_stood_between_the_markers_is_replaced_and_nothing_else() -> None:
    begin, end = BEGIN.format(part="curves"), END.format(part="curves")
    page = f"before\n{begin}\nold\n{end}\nafter\n"
    assert put_between(page, "curves", iter(["new", "lines"])) == f"before\n{begin}\nnew\nlines\n{end}\nafter\n"


def test_a_page_without_markers_is_not_written() -> None:
    with pytest.raises(ValueError, match="has not both"):
        put_between("before", "curves", iter(["new"]))


def test_the_page_shows_the_files_that_are_kept() -> None:
    # Who adds results and forgets `heapfast bench report` is told here.
    page = (DOCS / PAGE).read_text()
    assert put_between(page, "comparison", compare_lines(read_compared())) == page
    curves = read_curves()
    if curves is not None:
        assert put_between(page, "curves", curve_lines(curves)) == page
        for name, chart in curve_charts(curves):
            assert (DOCS / "charts" / name).read_text() == chart


def test_every_chart_of_the_page_is_there_and_well_formed() -> None:
    page = (DOCS / PAGE).read_text()
    for path in sorted((DOCS / "charts").glob("*.svg")):
        assert f"charts/{path.name}" in page
        ElementTree.parse(path)
    for part in page.split("](charts/")[1:]:
        assert (DOCS / "charts" / Path(part.partition(")")[0])).exists()
