"""In which order a kubelet states resource metrics: sorted by the values of their labels, as these are by name.

So does Prometheus' client library, which writes them for kubelets: the container's name comes before the pod's.
"""
from libc.stdint cimport uint32_t
from libc.stdlib cimport qsort, realloc
from libc.string cimport strcmp

from heapfast.sim._blocks cimport container_t, pod_t


# A series of each family: a container of a pod.
cdef struct line_t:
    const pod_t* pod                   # borrowed, as is the container
    const container_t* container


cdef inline int compare_lines(const void* a, const void* b) noexcept nogil:
    cdef const line_t* one = <const line_t*>a
    cdef const line_t* other = <const line_t*>b
    cdef int order = strcmp(one.container.name, other.container.name)
    if order == 0:
        order = strcmp(one.pod.namespace, other.pod.namespace)
    return order if order else strcmp(one.pod.name, other.pod.name)


# One for each container of the pods, in the place of former ones, which may be NULL.
cdef inline line_t* sort_lines(
    line_t* former, const pod_t* pod, uint32_t n_pods, const container_t* container, uint32_t n_containers,
) except NULL:
    cdef line_t* line = <line_t*>realloc(former, n_containers * sizeof(line_t))
    cdef uint32_t i, k
    if line == NULL:
        raise MemoryError
    for i in range(n_pods):
        for k in range(pod[i].first, pod[i].first + pod[i].count):
            line[k].pod = &pod[i]
            line[k].container = &container[k]
    qsort(line, n_containers, sizeof(line_t), compare_lines)
    return line
