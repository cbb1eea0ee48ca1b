def parse_time(text: str) -> int:
    """Reads an RFC 3339 time as Unix nanoseconds."""

def format_time(time_ns: int, offset_seconds: int = 0) -> str:
    """Writes Unix nanoseconds as RFC 3339, without needless zeros."""
