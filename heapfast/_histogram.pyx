"""Histograms in plain integers: the client library's take a lock for each observation.

In      observations
Out     samples of Prometheus families of type histogram
Callers the monitoring of scrape/ and of api/; histograms.py makes families of them
Never   writes a bound twice: all histograms of a family share theirs
"""
from cpython.mem cimport PyMem_Calloc, PyMem_Free

import math
from itertools import accumulate

from prometheus_client.samples import Sample


def format_bound(bound):
    """Write a bound as Go's expositions do: no fraction where there is none."""
    if math.isinf(bound):
        return "+Inf"
    return str(int(bound)) if bound == int(bound) else repr(bound)


cdef class Bounds:
    """Upper bounds of buckets; each bound belongs to its bucket.

    Args:
        values: ascending and finite.
        write: one of them, as an exposition has it.
    """

    def __cinit__(self, tuple values not None, write=format_bound):
        cdef Py_ssize_t i
        self.values = values
        self.texts = (*map(write, values), "+Inf")
        self.n = len(values)
        self.upper = <double*> PyMem_Calloc(self.n + 1, sizeof(double))
        if self.upper == NULL:
            raise MemoryError()
        for i in range(self.n):
            self.upper[i] = values[i]

    def __dealloc__(self):
        PyMem_Free(self.upper)


#: Those that Go's client has unless told.
DEFAULT_BOUNDS = Bounds((0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0))


cdef class Histogram:
    """One series of a family: observations by size."""

    def __cinit__(self, Bounds bounds not None=DEFAULT_BOUNDS):
        self._bounds = bounds
        self._counts = <int64_t*> PyMem_Calloc(bounds.n + 1, sizeof(int64_t))
        if self._counts == NULL:
            raise MemoryError()

    def __dealloc__(self):
        PyMem_Free(self._counts)

    cpdef observe(self, double value):
        cdef Py_ssize_t bucket = 0
        while bucket < self._bounds.n and self._bounds.upper[bucket] < value:
            bucket += 1
        self._counts[bucket] += 1
        self._sum += value

    def samples(self, name, labels):
        """The series as it is when the first sample is taken, whatever is observed until the last one.

        Args:
            name: of the family.
        """
        labels = dict(labels)
        bucket = f"{name}_bucket"
        rows, seen = self.cumulative(), self._sum
        total = 0
        for bound, total in rows:
            yield Sample(bucket, {**labels, "le": bound}, total)
        yield Sample(f"{name}_count", labels, total)
        yield Sample(f"{name}_sum", labels, seen)

    @property
    def sum(self):
        """Of all observations."""
        return self._sum

    def cumulative(self):
        """Return each bound, as an exposition has it, with how many observations it has room for; the last for all."""
        cdef Py_ssize_t i
        counts = [self._counts[i] for i in range(self._bounds.n + 1)]
        return list(zip(self._bounds.texts, accumulate(counts), strict=True))
