from heapfast.wire._rows import Rows

def parse_resource(
    body: bytes | bytearray | memoryview, rows: Rows, requested_ns: int = ..., wants_swap: bool = False
) -> None:
    """Reads a kubelet's resource metrics into `rows`, in place of what they held.

    `rows` keeps `body` and borrows its text until the next parse or `rows.clear()`: nobody may write to it until then.
    `requested_ns` is the time of samples that state none; without it theirs is unknown. `wants_swap`: read swap in use
    too. Raises ParseError with line and offset at the first line that is not well-formed; `rows` are empty then.
    """
