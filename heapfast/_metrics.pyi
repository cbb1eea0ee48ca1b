class Metrics:
    dropped: int
