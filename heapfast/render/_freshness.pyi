class Freshness:
    """Ages of served objects, as a histogram."""

    @property
    def total_seconds(self) -> float:
        """The sum of all ages."""

    def cumulative(self) -> list[tuple[float, int]]:
        """Return (upper bound in seconds, ages up to it), ascending; the last bound is infinite."""
