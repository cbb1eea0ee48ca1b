def format_duration(ns: int) -> str:
    """Write nanoseconds (int64) as hours, minutes and seconds, or as one smaller unit: "1m1.5s", "20ms"."""
