"""Sums: what containers make of their pods, pods of namespaces and nodes, namespaces of the cluster.

All take a batch that is being closed. Those of one metric return 0, or -1 when memory is out; call them in this order,
after `make_parents` and when the column of the containers is complete.
"""
from heapfast._batch cimport Batch


cdef void make_parents(Batch batch) noexcept nogil       # pods and namespaces that only children tell of, the cluster
cdef int sum_pods(Batch batch, int metric) noexcept nogil
cdef int sum_namespaces(Batch batch, int metric) noexcept nogil
cdef int sum_nodes(Batch batch, int metric) noexcept nogil
cdef int sum_cluster(Batch batch, int metric) noexcept nogil
