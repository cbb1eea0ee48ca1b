"""What columns are called, and of which type they are. One for all batches of a store."""
from heapfast._types cimport N_METRICS, uint8_t, uint32_t, uint64_t


cdef class Metrics:
    cdef:
        uint8_t is_float[N_METRICS]
        uint8_t twin[N_METRICS]      # custom metrics: the column of the same name and the other type; 0 = none
        list names                   # by id
        dict ids                     # name -> id; of twins, the one seen last
        dict custom                  # (name as bytes without "custom/", is_float) -> id
        readonly uint64_t dropped    # custom metrics that found no room

    cdef int custom_id(self, const char* name, uint32_t len, bint is_float) except -2
