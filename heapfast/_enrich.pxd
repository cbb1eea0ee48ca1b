"""Enrichment: what the API server knows about pods, containers and nodes.

All take a batch that is being closed, and return 0, or -1 when memory is out.
"""
from heapfast._batch cimport Batch
from heapfast._entities cimport Entities


cdef int enrich_pods(Batch batch, Entities entities) noexcept nogil      # before sums: they add requests up
cdef int enrich_nodes(Batch batch, Entities entities) noexcept nogil     # after sums: shares of what pods request
