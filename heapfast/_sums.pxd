"""Sums: what containers make of their pods, pods of namespaces and nodes, namespaces of the cluster.

All take a batch that is being closed, and return 0, or -1 when memory is out. Call them in this order.
"""
from heapfast._batch cimport Batch


cdef int sum_pods(Batch batch) noexcept nogil
cdef int sum_namespaces(Batch batch) noexcept nogil
cdef int sum_nodes(Batch batch) noexcept nogil
cdef int sum_cluster(Batch batch) noexcept nogil
