from array import array

from heapfast._core import Store

def render_series(
    store: Store, kind: int, slots: tuple[int, ...], metric: int, start_ns: int, end_ns: int
) -> bytes: ...
def render_series_items(
    store: Store, kind: int, entities: list[tuple[int, ...]], metric: int, start_ns: int, end_ns: int
) -> bytes: ...
def render_points(
    timestamps_ns: array[int] | memoryview,
    values: array[int] | array[float] | memoryview,
    indented: bool,
    is_first: bool,
) -> bytes: ...
def render_time(timestamp_ns: int | None) -> bytes: ...
