"""One coarse timer for everything that is in flight.

In      requests with a `due` time of the loop's clock
Out     a call of `expire` on each that is overdue
Callers _http.pyx
Never   costs a timer for each request: a set insertion and a removal are all that a good scrape pays

A timer of the loop's own for each request costs about 1 us to set and cancel; the set costs 0.1 us, and
the walk over it happens ten times a second over what is in flight, not over what exists.
"""


cdef class Deadlines:
    """Watches requests; asleep while there are none."""

    def __init__(self, loop, double tick_seconds):
        self._loop = loop
        self._tick_seconds = tick_seconds
        self._pending = set()

    def __len__(self):
        return len(self._pending)

    cpdef watch(self, pending):
        """Expire `pending` once its `due` has passed. `due` may move either way meanwhile."""
        self._pending.add(pending)
        if self._timer is None:
            self._timer = self._loop.call_later(self._tick_seconds, self._tick)

    cpdef forget(self, pending):
        self._pending.discard(pending)

    cpdef close(self):
        """Stops watching."""
        self._pending.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self):
        now = self._loop.time()
        # Set first: `expire` ends in a callback that may start the next request, or close everything.
        self._timer = self._loop.call_later(self._tick_seconds, self._tick) if self._pending else None
        for pending in [pending for pending in self._pending if pending.due <= now]:
            if pending in self._pending:
                pending.expire()
