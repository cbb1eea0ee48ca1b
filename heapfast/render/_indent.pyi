class Indenter:
    """Lays out compact JSON by two spaces a depth, chunk by chunk; one for each document."""

    def feed(self, chunk: bytes) -> bytes: ...
