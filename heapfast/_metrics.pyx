"""Which column is which metric (see _metrics.pxd).

In      the catalogue; names of custom metrics as kubelets tell them
Out     numbers of columns
Callers _core makes one for all its batches; whoever shows a batch reads
Never   forgets a custom metric: its column may be in any batch
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.list cimport PyList_GET_SIZE

from heapfast._types cimport N_CATALOG, N_METRICS, uint32_t

from heapfast.catalog.metrics import CATALOG, CUSTOM_PREFIX

if len(CATALOG) != N_CATALOG:
    raise ImportError("BUG: catalog/metrics.py and _types.pxd number the metrics differently")


cdef class Metrics:

    def __cinit__(self):
        self.names = [metric.name for metric in CATALOG]
        self.ids = {name: i for i, name in enumerate(self.names)}
        self.custom = {}
        for metric in CATALOG:
            self.is_float[metric.id] = metric.value_type == "double"

    cdef int custom_id(self, const char* name, uint32_t len, bint is_float) except -2:
        """The column of a custom metric; -1 when there is no room for another."""
        cdef bytes raw = PyBytes_FromStringAndSize(name, len)
        found = self.custom.get((raw, is_float))
        if found is not None:
            return found
        cdef int i = <int>PyList_GET_SIZE(self.names)
        if i >= N_METRICS:
            self.dropped += 1
            return -1
        text = CUSTOM_PREFIX + raw.decode("utf-8", "replace")
        other = self.custom.get((raw, not is_float))
        if other is not None:
            self.twin[i] = other
            self.twin[<int>other] = i
        self.custom[(raw, is_float)] = i
        self.names.append(text)
        self.ids[text] = i
        self.is_float[i] = is_float
        return i
