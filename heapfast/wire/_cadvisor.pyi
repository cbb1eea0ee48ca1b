from heapfast.wire._rows import Rows

def parse_cadvisor(body: bytes | bytearray | memoryview, rows: Rows) -> None:
    """Reads a cAdvisor container answer into `rows`, in place of what they held.

    `rows` keeps `body` and borrows its text until the next parse or `rows.clear()`: nobody may write to it until then.
    Raises ParseError with the offset when the body is no JSON object or array; `rows` are empty then.
    """
