"""Items of one answer of metrics.k8s.io: loaded from the latest view, written by a subclass."""
from heapfast._extras cimport N_EXTRAS
from heapfast._latest cimport Latest, usage_status_t, usage_t
from heapfast._text cimport text_t
from heapfast._types cimport int64_t, uint32_t
from heapfast.render._fragments cimport fragment_t
from heapfast.render._freshness cimport Freshness
from heapfast.render._json cimport JsonBuffer, buffer_t
from heapfast.render._roster cimport Roster


# One node or pod that is served. Everything is borrowed until the next step on the loop.
cdef struct item_t:
    uint32_t slot
    const text_t* namespace    # NULL for nodes
    const text_t* name
    const fragment_t* labels
    usage_t usage              # of a pod: the sums over its containers
    const uint32_t* container  # slots, in the order of names
    uint32_t n_containers


# Members of an object beside kind and apiVersion.
cdef enum content_t:
    NOTHING = 0                # no object at all
    METADATA = 1
    WHOLE = 2                  # metadata, time, window and usage


# Writes the quantity of an optional key; at most QUANTITY_MAX_CHARS. Returns how many.
cdef Py_ssize_t write_extra(int extra, int64_t value, char* out) noexcept nogil


cdef class Items:
    cdef:
        Latest latest
        Roster roster
        JsonBuffer owner       # of bytes; whether they are JSON is the subclass's
        buffer_t* buffer       # owner's
        public Freshness freshness    # takes the age of every item that is written
        int64_t now_ns
        content_t content
        uint32_t* slot         # owned; the list in order
        Py_ssize_t n, at       # of slots; the next one's place
        uint32_t came          # of the roster, when the list began
        Py_ssize_t n_written   # items

    cdef void _fetch_ahead(self) noexcept
    cdef void _fetch_tables(self, uint32_t slot) noexcept
    cdef void _fetch_texts(self, uint32_t slot) noexcept
    cdef void _fetch_samples(self, uint32_t slot) noexcept
    cdef usage_status_t load(self, uint32_t slot, item_t* item) noexcept
    # OUT value: what is served of a node, or of the container that stands at `place` in its pod, beside CPU and memory.
    # A pod's network belongs to none of its containers: it stands with the first. Only where latest.extras is one.
    cdef void load_extras(self, int kind, uint32_t slot, uint32_t pod, bint is_first, int64_t* value) noexcept
    # What a subclass is for. `is_single`: the object stands alone, not in a list.
    cdef void put(self, const item_t* item, bint is_single) noexcept
