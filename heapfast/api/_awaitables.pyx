"""What can be awaited at less cost than a coroutine or a future of asyncio.

In      values that are there; a task that waits
Out     Done, Given, Bell
Callers _connection.pyx
Source  asyncio's "Extending": what a task asks of an object that is like a future
Never   has a callback but the one of the task that waits
"""
import asyncio

cdef object _CancelledError = asyncio.CancelledError
cdef object _current_task = asyncio.current_task


cdef class Done:
    """An awaitable that has nothing to wait for."""

    def __await__(self):
        return self

    def __next__(self):
        raise StopIteration


cdef class Given:
    """An awaitable that is there already."""

    def __await__(self):
        return self

    def __next__(self):
        raise StopIteration(self._value)


cdef Given given(value):
    cdef Given awaitable = Given.__new__(Given)
    awaitable._value = value
    return awaitable


cdef class Bell:
    """What a connection's task waits on: a future, as tasks understand it, whose ring wakes the task at once.

    But for when it is rung by another task, which has to come to its own end first.
    """

    def __init__(self, loop):
        self._loop = loop

    def __await__(self):
        return self

    def __next__(self):
        if self._is_awaited:
            self._is_awaited = False
            raise StopIteration
        self._is_awaited = self._asyncio_future_blocking = True
        return self

    # -- what a task asks of a future --

    def get_loop(self):
        return self._loop

    def add_done_callback(self, callback, *, context=None):
        self._wake, self._context = callback, context

    def cancel(self, msg=None):
        if self._wake is None:
            return False
        self._is_cancelled = True
        self._loop.call_soon(self._ring)
        return True

    def result(self):
        if self._is_cancelled:
            raise _CancelledError

    def _ring(self):
        self.ring()

    cdef ring(self):
        if self._wake is None:
            return
        if _current_task(self._loop) is not None:
            self._loop.call_soon(self._ring)
            return
        wake, self._wake = self._wake, None
        self._context.run(wake, self)
