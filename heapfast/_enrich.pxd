"""Enrichment: what the API server knows about pods, containers and nodes.

All take a batch that is being closed; those that give a number return 0, or -1 when memory is out.
"""
from heapfast._batch cimport Batch
from heapfast._entities cimport Entities
from heapfast._types cimport M_CPU_REQUEST, M_MEMORY_LIMIT, M_RESTART_COUNT


# Columns of containers that only the API server has numbers for.
cdef inline bint is_enriched(int metric) noexcept nogil:
    return M_CPU_REQUEST <= metric <= M_MEMORY_LIMIT or metric == M_RESTART_COUNT


cdef void add_stubs(Batch batch, Entities entities) noexcept nogil       # who should be there, and no kubelet tells of
cdef int enrich_containers(Batch batch, Entities entities, int metric) noexcept nogil    # one that is_enriched
cdef int enrich_nodes(Batch batch, Entities entities) noexcept nogil     # after sums: shares of what pods request
