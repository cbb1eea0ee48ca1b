"""InfluxDB's line protocol: MEASUREMENT,TAG=VALUE,... FIELD=NUMBER NANOSECONDS.

In      a closed batch; how names are split, and the cluster's name
Out     one line a sample; Heapster's schema
Callers influxdb.py, bench; in a thread
Source  spec/heapster-pipeline.md 7.1.3 and 7.1.5, 0.3 (F-influx)
Never   lets a name end a tag or a line: what line protocol cannot say becomes "_", where Heapster broke the line

    cpu/usage_rate,cluster_name=default,nodename=n1,type=node value=200i 1512986460000000000
    |------------| |----------------------------------------| |----|
     name[metric]                 shared                      equals[metric]
"""
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memset

from heapfast._batch cimport Batch
from heapfast._types cimport KIND_CLUSTER, KIND_NAMESPACE, N_METRICS, int64_t, span_t, uint8_t, uint32_t
from heapfast.codec._float cimport FLOAT_MAX, write_double
from heapfast.render._json cimport bits_to_double, buffer_t, put_char, put_int, put_raw, reserve
from heapfast.sinks._walk cimport (
    LABEL_HOST_ID,
    LABEL_HOSTNAME,
    LABEL_NAMESPACE_ID,
    LABEL_POD_ID,
    BatchWriter,
    put_span,
)

import re

from heapfast.catalog.metrics import RATE_OF
from heapfast.history.influxql import measurement_and_field

cdef enum:
    STAMP_MAX = 24
    POSITIONAL_MAX = 352       # "-0." and 323 zeros, and digits

# What line protocol cannot hold; and backslashes, which InfluxDB reads one way in a line and another way in its index.
UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f\\]")


def escaped(text, signs):
    """A name as line protocol has it: some signs get a backslash."""
    return re.sub(f"([{re.escape(signs)}])", r"\\\1", UNSPEAKABLE.sub("_", text)).encode()


# A tag's key or value: `,`, space and `=` get a backslash.
cdef void put_tag(buffer_t* out, span_t text) noexcept nogil:
    cdef uint32_t i
    cdef uint8_t c
    cdef char* at
    if not reserve(out, 2 * <Py_ssize_t>text.len):
        return
    at = out.data + out.len
    for i in range(text.len):
        c = <uint8_t>text.ptr[i]
        if c == c"," or c == c" " or c == c"=":
            at[0] = c"\\"
            at += 1
        elif c < 0x20 or c == 0x7F or (c == c"\\" and i + 1 == text.len):
            c = c"_"
        at[0] = <char>c
        at += 1
    out.len = at - out.data


# A double in its shortest digits, never with an exponent.
cdef void put_positional(buffer_t* out, double value) noexcept nogil:
    cdef char text[FLOAT_MAX]
    cdef char digits[FLOAT_MAX]
    cdef Py_ssize_t n = write_double(value, text)
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t n_digits = 0
    cdef int exponent = 0
    cdef bint is_negative = False
    cdef char* at
    while i < n and text[i] != c"e":
        i += 1
    if i == n:
        put_raw(out, text, n)
        return
    if not reserve(out, POSITIONAL_MAX):
        return
    # d.ddde-7 or d.ddde+21: the digits, and how far the point goes.
    for n in range(i):
        if text[n] == c"-":
            put_char(out, c"-")
        elif text[n] != c".":
            digits[n_digits] = text[n]
            n_digits += 1
    is_negative = text[i + 1] == c"-"
    i += 2
    while text[i] >= c"0" and text[i] <= c"9":
        exponent = exponent * 10 + (text[i] - c"0")
        i += 1
        if i == FLOAT_MAX:
            break
    at = out.data + out.len
    if is_negative:
        memcpy(at, b"0.", 2)
        memset(at + 2, c"0", exponent - 1)
        memcpy(at + 1 + exponent, digits, n_digits)
        out.len += 1 + exponent + n_digits
    else:
        # From 1e21 on there are more places than digits.
        memcpy(at, digits, n_digits)
        memset(at + n_digits, c"0", exponent + 1 - n_digits)
        out.len += exponent + 1


cdef class InfluxDbWriter(BatchWriter):
    """Writes one batch as lines.

    Args:
        with_fields: a name is split at its first slash into measurement and field.
        skip_counters: counters that have a rate are left out.
        shard: "i/n" of a replica, a tag of what it has only a share of; "" for none.
    """

    cdef:
        span_t[N_METRICS] equals   # " FIELD=" by metric
        char[STAMP_MAX] stamp      # " NANOSECONDS\n"
        int stamp_len
        const char* shard          # the tag's value, as `set.labels` points to it; NULL: none

    def __cinit__(
        self,
        Batch batch not None,
        *,
        str cluster_name not None,
        bint with_fields=False,
        bint skip_counters=False,
        str shard not None="",
    ):
        self.stamp_len = snprintf(self.stamp, STAMP_MAX, b" %lld\n", <long long>self.timestamp_ns)
        self.drop_label(LABEL_NAMESPACE_ID)
        self.drop_label(LABEL_POD_ID)
        self.drop_label(LABEL_HOSTNAME)
        self.drop_label(LABEL_HOST_ID)
        self.add_constant("cluster_name", cluster_name)
        if shard:
            self.add_constant("shard", shard)
            self.shard = self._constants[self._n_constants - 1].value.ptr
        names = {}

        def wire_name(name):
            if skip_counters and name in RATE_OF:
                return None
            measurement, field = measurement_and_field(name, with_fields=with_fields)
            names[name] = field
            return escaped(measurement, ", ")

        self.rename(wire_name)
        cdef int i
        for i in range(self.n_metrics):
            name = batch.metrics.names[self.metrics[i]]
            self.equals[self.metrics[i]] = self.keep(b" " + escaped(names[name], ', "=') + b"=")

    cdef void begin_set(self) noexcept nogil:
        cdef buffer_t* tags = self.shared
        cdef uint32_t i
        cdef bint is_shared_out = self.set.kind == KIND_CLUSTER or self.set.kind == KIND_NAMESPACE
        tags.len = 0
        for i in range(self.set.n_labels):
            if self.set.labels[i].value.len == 0:
                continue
            if self.shard != NULL and self.set.labels[i].value.ptr == self.shard and not is_shared_out:
                continue
            put_char(tags, c",")
            put_tag(tags, self.set.labels[i].key)
            put_char(tags, c"=")
            put_tag(tags, self.set.labels[i].value)

    cdef void put_sample(self, int metric, int64_t bits) noexcept nogil:
        put_span(self.out, self.name[metric])
        put_raw(self.out, self.shared.data, self.shared.len)
        put_span(self.out, self.equals[metric])
        if self.is_float[metric]:
            put_positional(self.out, bits_to_double(bits))
        else:
            put_int(self.out, bits)
            put_char(self.out, c"i")
        put_raw(self.out, self.stamp, self.stamp_len)
