from heapfast._core import Store

def render_series(
    store: Store, kind: int, slots: tuple[int, ...], metric: int, start_ns: int, end_ns: int
) -> bytes: ...
def render_series_items(
    store: Store, kind: int, entities: list[tuple[int, ...]], metric: int, start_ns: int, end_ns: int
) -> bytes: ...
