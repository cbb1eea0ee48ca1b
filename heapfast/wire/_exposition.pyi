def parse_exposition(
    body: bytes | bytearray | memoryview, openmetrics: bool = False
) -> list[tuple[str, tuple[tuple[str, str], ...], float, int | None]]:
    """Reads every sample of an exposition: name, labels in the order of the text, value, time in Unix milliseconds.

    The time is None where the sample has none. Raises ParseError with line and offset at the first line that is not
    well-formed.
    """
