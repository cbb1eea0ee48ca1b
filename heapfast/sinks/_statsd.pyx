"""statsd's gauges, in Etsy's style of dotted names and in InfluxDB's style of labels.

In      a closed batch, and how labels are called
Out     datagrams of a few lines each
Callers statsd.py, bench; in a thread
Source  spec/heapster-pipeline.md 7.6; Q12: accelerators are told apart
Never   lets a name end early: what statsd would read as the end becomes "_"
"""
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp

from heapfast._batch cimport Batch
from heapfast._types cimport (
    KIND_CLUSTER,
    KIND_NAMESPACE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_SYS_CONTAINER,
    SLOT_NONE,
    int64_t,
    span_t,
    uint8_t,
    uint32_t,
)
from heapfast.render._json cimport bits_to_double, buffer_t, put_char, put_int, put_literal, reserve
from heapfast.sinks._framed cimport FramedWriter
from heapfast.sinks._numbers cimport put_general
from heapfast.sinks._walk cimport (
    LABEL_ACCELERATOR_ID,
    LABEL_CONTAINER_NAME,
    LABEL_HOSTNAME,
    LABEL_LABELS,
    LABEL_NAMESPACE_NAME,
    LABEL_POD_NAME,
    LABEL_RESOURCE_ID,
    label_t,
    put_span,
)

cdef enum:
    VALUE_ROOM = 32            # of a line, what is not its name
    DATAGRAM_BYTES = 1432      # what fits into an Ethernet frame; a longer line goes alone
    STYLE_NONE = 0
    STYLE_LOWER_CAMEL = 1
    STYLE_UPPER_CAMEL = 2

STYLES = ("", "lowerCamelCase", "upperCamelCase")

# What ends a name or a line, by style of lines.
cdef const char* ETSY_SPECIAL = b".=|:"
cdef const char* INFLUX_SPECIAL = b",:=|"


cdef inline void put_clean(buffer_t* out, span_t text, const char* special) noexcept nogil:
    cdef uint32_t i
    cdef char c
    if not reserve(out, text.len):
        return
    for i in range(text.len):
        c = text.ptr[i]
        if (
            c == special[0]
            or c == special[1]
            or c == special[2]
            or c == special[3]
            or <uint8_t>c < 0x20
            or <uint8_t>c == 0x7F
        ):
            c = c"_"
        out.data[out.len + i] = c
    out.len += text.len


cdef inline char upper(char c) noexcept nogil:
    return <char>(c - 32) if c"a" <= c <= c"z" else c


cdef inline char lower(char c) noexcept nogil:
    return <char>(c + 32) if c"A" <= c <= c"Z" else c


cdef inline int compare_keys(span_t a, span_t b) noexcept nogil:
    cdef int order = memcmp(a.ptr, b.ptr, min(a.len, b.len))
    return order if order else (a.len > b.len) - (a.len < b.len)


cdef class StatsdWriter(FramedWriter):
    """What both styles share.

    Args:
        prefix: of every name, as it is written.
        lines: most of them in one datagram.
        renamed: (old, new) keys of labels.
        allowed: keys of labels that are written, "labels" for the user's; () for all. Where an entity is, in Etsy's
            style, is always said.
        style: one of STYLES.
    """

    cdef:
        span_t prefix
        uint32_t lines
        label_t* user                      # owned; of the set, by key
        uint32_t n_user, cap_user
        span_t labels_key
        label_t* renamed                   # borrowed from a writer of bytes
        uint32_t n_renamed
        span_t* allowed
        uint32_t n_allowed
        int style
        bytes _renamed, _allowed           # owners of these arrays

    def __cinit__(
        self,
        Batch batch not None,
        bytes prefix not None,
        *,
        uint32_t lines=5,
        renamed=(),
        allowed=(),
        str style="",
    ):
        cdef uint32_t i
        self.prefix = self.keep(prefix)
        self.labels_key = self.keep(b"labels")
        self.lines = lines
        self.style = STYLES.index(style)
        self._renamed = bytes(sizeof(label_t) * len(renamed))
        self.renamed = <label_t*><char*>self._renamed
        self.n_renamed = len(renamed)
        for i, (old, new) in enumerate(renamed):
            self.renamed[i].key = self.keep(old.encode())
            self.renamed[i].value = self.keep(new.encode())
        self._allowed = bytes(sizeof(span_t) * len(allowed))
        self.allowed = <span_t*><char*>self._allowed
        self.n_allowed = len(allowed)
        for i, key in enumerate(allowed):
            self.allowed[i] = self.keep(key.encode())

    def __dealloc__(self):
        free(self.user)

    cdef bint is_allowed(self, span_t key) noexcept nogil:
        cdef uint32_t i
        if self.n_allowed == 0:
            return True
        for i in range(self.n_allowed):
            if compare_keys(self.allowed[i], key) == 0:
                return True
        return False

    cdef void put_key(self, buffer_t* out, span_t key, const char* special) noexcept nogil:
        """A label's key: renamed, then in the style asked for."""
        cdef uint32_t i
        cdef Py_ssize_t start
        cdef bint is_first_of_part = True
        cdef bint is_first = True
        for i in range(self.n_renamed):
            if compare_keys(self.renamed[i].key, key) == 0:
                key = self.renamed[i].value
                break
        if self.style == STYLE_NONE:
            put_clean(out, key, special)
            return
        start = out.len
        put_clean(out, key, special)
        if out.failed:
            return
        key.ptr = out.data + start
        out.len = start
        # Shrinks in place: what is read lies at or behind what is written.
        for i in range(key.len):
            if key.ptr[i] == c"_":
                is_first_of_part = True
                continue
            if is_first and self.style == STYLE_LOWER_CAMEL:
                out.data[out.len] = lower(key.ptr[i])
            else:
                out.data[out.len] = upper(key.ptr[i]) if is_first_of_part else key.ptr[i]
            out.len += 1
            is_first_of_part = False
            is_first = False

    cdef void load_user_labels(self) noexcept nogil:
        """Takes the joined labels apart: items at ",", of each the first two pieces at ":"; sorted by key."""
        cdef span_t text = self.set.known[LABEL_LABELS]
        cdef label_t label
        cdef label_t* bigger
        cdef uint32_t i = 0
        cdef uint32_t piece
        cdef uint32_t start
        cdef uint32_t place
        self.n_user = 0
        if not self.is_allowed(self.labels_key):
            return
        while i < text.len:
            label.key.ptr = text.ptr + i
            label.key.len = 0
            label.value.ptr = text.ptr + i
            label.value.len = 0
            piece = 0
            start = i
            while i <= text.len:
                if i == text.len or text.ptr[i] == c"," or text.ptr[i] == c":":
                    if piece == 0:
                        label.key.len = i - start
                    elif piece == 1:
                        label.value.ptr = text.ptr + start
                        label.value.len = i - start
                    piece += 1
                    start = i + 1
                    if i == text.len or text.ptr[i] == c",":
                        break
                i += 1
            i += 1
            if self.n_user == self.cap_user:
                bigger = <label_t*>realloc(self.user, (<size_t>self.cap_user * 2 + 16) * sizeof(label_t))
                if bigger == NULL:
                    self.out.failed = True
                    return
                self.user = bigger
                self.cap_user = self.cap_user * 2 + 16
            place = self.n_user
            while place > 0 and compare_keys(self.user[place - 1].key, label.key) > 0:
                self.user[place] = self.user[place - 1]
                place -= 1
            self.user[place] = label
            self.n_user = self.n_user + 1

    cdef void put_gauge(self, int metric, int64_t bits, span_t a, span_t b, span_t c) noexcept nogil:
        """One line, whose name is the three parts; in the next datagram where this one has no room."""
        cdef Py_ssize_t room = <Py_ssize_t>a.len + b.len + c.len + VALUE_ROOM
        if self.n_in_frame and (
            self.n_in_frame >= self.lines or self.out.len - self.frame_start + room > DATAGRAM_BYTES
        ):
            self.end_frame()
        if bits_to_double(bits) < 0 if self.is_float[metric] else bits < 0:
            # A sign would make statsd add to the gauge, so it is set to 0 first.
            self.put_name(a, b, c)
            put_literal(self.out, b"0|g\n")
        self.put_name(a, b, c)
        if self.is_float[metric]:
            put_general(self.out, bits_to_double(bits))
        else:
            put_int(self.out, bits)
        put_literal(self.out, b"|g\n")
        self.n_in_frame = self.n_in_frame + 1

    cdef void put_name(self, span_t a, span_t b, span_t c) noexcept nogil:
        put_span(self.out, a)
        put_span(self.out, b)
        put_span(self.out, c)
        put_char(self.out, c":")

    cdef void end_chunk(self) noexcept nogil:
        self.end_frame()


cdef class EtsyWriter(StatsdWriter):
    """PREFIX.node.HOST.namespace.NS.pod.POD.container.C.KEY.VALUE.NAME.RESOURCE"""

    cdef:
        uint32_t head_len          # of `shared`: what stands before a metric's name; the rest stands behind

    def __cinit__(self, Batch batch not None, *_, **__):
        self.rename(lambda name: clean_name(name, ".=|:"))

    cdef void begin_set(self) noexcept nogil:
        cdef buffer_t* name = self.shared
        cdef span_t* known = &self.set.known[0]
        cdef int kind = self.set.kind
        cdef uint32_t i
        cdef bint is_any = False
        name.len = 0
        put_span(name, self.prefix)
        if kind == KIND_CLUSTER:
            put_literal(name, b"cluster.")
        elif kind == KIND_NAMESPACE:
            put_literal(name, b"namespace.")
            put_clean(name, known[LABEL_NAMESPACE_NAME], ETSY_SPECIAL)
            put_char(name, c".")
        else:
            put_literal(name, b"node.")
            put_clean(name, known[LABEL_HOSTNAME], ETSY_SPECIAL)
            put_char(name, c".")
        if kind == KIND_POD or kind == KIND_POD_CONTAINER:
            put_literal(name, b"namespace.")
            put_clean(name, known[LABEL_NAMESPACE_NAME], ETSY_SPECIAL)
            put_literal(name, b".pod.")
            put_clean(name, known[LABEL_POD_NAME], ETSY_SPECIAL)
            put_char(name, c".")
        if kind == KIND_POD_CONTAINER or kind == KIND_SYS_CONTAINER:
            put_literal(name, b"container." if kind == KIND_POD_CONTAINER else b"sys-container.")
            put_clean(name, known[LABEL_CONTAINER_NAME], ETSY_SPECIAL)
            put_char(name, c".")
        self.load_user_labels()
        for i in range(self.n_user):
            if self.user[i].value.len == 0:
                continue
            if is_any:
                put_char(name, c".")
            is_any = True
            self.put_key(name, self.user[i].key, ETSY_SPECIAL)
            put_char(name, c".")
            put_clean(name, self.user[i].value, ETSY_SPECIAL)
        if self.n_user:
            # Where no label has a value, this leaves an empty level, as in Heapster.
            put_char(name, c".")
        self.head_len = <uint32_t>name.len
        if self.set.resource != SLOT_NONE:
            put_char(name, c".")
            put_clean(
                name,
                known[LABEL_RESOURCE_ID if known[LABEL_RESOURCE_ID].ptr != NULL else LABEL_ACCELERATOR_ID],
                ETSY_SPECIAL,
            )

    cdef void put_sample(self, int metric, int64_t bits) noexcept nogil:
        cdef span_t head
        cdef span_t tail
        if self.shared.failed:
            return
        head.ptr = self.shared.data
        head.len = self.head_len
        tail.ptr = self.shared.data + self.head_len
        tail.len = <uint32_t>self.shared.len - self.head_len
        self.put_gauge(metric, bits, head, self.name[metric], tail)


cdef class InfluxStatsdWriter(StatsdWriter):
    """PREFIXNAME,key=value,..."""

    def __cinit__(self, Batch batch not None, *_, **__):
        self.drop_label(LABEL_LABELS)
        self.rename(lambda name: clean_name(name, ",:=|"))

    cdef void begin_set(self) noexcept nogil:
        """Renders `,key=value` of all labels in the order of their keys; the user's beat Heapster's."""
        cdef buffer_t* labels = self.shared
        cdef uint32_t i = 0
        cdef uint32_t user = 0
        cdef int order
        labels.len = 0
        self.load_user_labels()
        while i < self.set.n_labels or user < self.n_user:
            if i == self.set.n_labels:
                order = 1
            elif user == self.n_user:
                order = -1
            else:
                order = compare_keys(self.set.labels[i].key, self.user[user].key)
            if order >= 0:
                self.put_label(labels, self.user[user])
            elif self.is_allowed(self.set.labels[i].key):
                self.put_label(labels, self.set.labels[i])
            if order <= 0:
                i += 1
            if order >= 0:
                user += 1

    cdef void put_label(self, buffer_t* out, label_t label) noexcept nogil:
        if label.value.len == 0:
            return
        put_char(out, c",")
        self.put_key(out, label.key, INFLUX_SPECIAL)
        put_char(out, c"=")
        put_clean(out, label.value, INFLUX_SPECIAL)

    cdef void put_sample(self, int metric, int64_t bits) noexcept nogil:
        cdef span_t labels
        if self.shared.failed:
            return
        labels.ptr = self.shared.data
        labels.len = <uint32_t>self.shared.len
        self.put_gauge(metric, bits, self.prefix, self.name[metric], labels)


cdef bytes clean_name(str name, str special):
    return "".join("_" if c < " " or c == "\x7f" or c in special else c for c in name).encode()
