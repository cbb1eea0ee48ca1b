"""The fields of a histogram: with one for each node, none of it is in the caches when the node has answered."""
from heapfast._types cimport int64_t


cdef class Bounds:
    cdef:
        readonly tuple values   # ascending and finite
        readonly tuple texts    # of the values, and of the bucket above all of them
        double* upper           # owned: the values once more
        Py_ssize_t n


cdef class Histogram:
    cdef:
        Bounds _bounds
        int64_t* _counts        # owned: of each bucket, and of the one above all
        double _sum

    cpdef observe(self, double value)
