"""A kubelet's answer to POST /stats/container/ -> rows.

In      JSON: a map of path to container info; or a list of infos, or one info, as other cAdvisor endpoints answer
Out     Rows: the node first when the answer has "/", then system containers, pods and pod containers in its order.
        Names come once: Rows.keep_unique says which entry stays
Callers scrape/sources/cadvisor.py, `heapfast parse`; naive_cadvisor.py is the same in plain Python
Source  spec/heapster-pipeline.md 3.5 and 8.7; what kubelets write: google/cadvisor info/v1
Never   fails for a value: a bad one is counted and left out (design.md section 6, Q15 and Q18). Broken JSON fails all

What a sample means depends on flags in `spec`, which may come after it, and of sixty samples only the last counts. So
`spec` and samples are passed over first, noting where their members are; then what matters is read in the order that
suits. Of two members of one name the later counts, null is absent. A container that has no name is counted as bad and
dropped; one without samples is dropped silently, as in Heapster.
"""
from libc.string cimport memchr

from heapfast._types cimport (
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_SYS_CONTAINER,
    span_t,
    uint8_t,
    uint32_t,
)
from heapfast.wire._cursor cimport (
    CURSOR_MEMORY,
    CURSOR_TOKEN,
    cursor_t,
    fail,
    peek_token,
    scan_string,
    skip_value,
    string_t,
)
from heapfast.wire._read cimport enter, own_text, read_text
from heapfast.wire._resource_rows cimport is_word, no_text, read_key, read_plain_text
from heapfast.wire._rows cimport ROW_DROPPED, Rows, row_t
from heapfast.wire._sample cimport (
    SPEC_IMAGE,
    SPEC_LABELS,
    find_sample,
    find_spec,
    go_to,
    no_members,
    read_sample,
    where_t,
)
from heapfast.wire._walk cimport names, names_t, next_element, next_member, over, walk_t

cdef enum:
    NAME
    ALIASES
    SPEC
    STATS
    ALIAS_PREFIX = 4           # bytes of "k8s_" before the container's name, in an alias of old clusters

cdef names_t INFO_NAMES = names({"name": NAME, "aliases": ALIASES, "spec": SPEC, "stats": STATS})
# Maps with keys of their own.
cdef names_t NO_NAMES = names({})

# Who a container is, by its labels; empty = no such label.
cdef struct labels_t:
    span_t container
    span_t namespace
    span_t pod
    span_t uid


cdef labels_t read_labels(cursor_t* c, Rows rows, const where_t* spec) noexcept nogil:
    cdef:
        walk_t walk = over(&NO_NAMES)
        labels_t out
        span_t key
    out.container = out.namespace = out.pod = out.uid = no_text()
    if not (go_to(c, spec.at[SPEC_LABELS]) and enter(c, rows, c'{')):
        return out
    while next_member(c, &walk):
        if not read_key(c, rows, &walk, &key):
            return out
        if is_word(key, "io.kubernetes.container.name", 28):
            read_plain_text(c, rows, &out.container)
        elif is_word(key, "io.kubernetes.pod.namespace", 27):
            read_plain_text(c, rows, &out.namespace)
        elif is_word(key, "io.kubernetes.pod.name", 22):
            read_plain_text(c, rows, &out.pod)
        elif is_word(key, "io.kubernetes.pod.uid", 21):
            read_plain_text(c, rows, &out.uid)
        else:
            skip_value(c)
    return out


cdef span_t slice_of(span_t text, size_t start, size_t stop) noexcept nogil:
    text.ptr += start
    text.len = <uint32_t> (stop - start)
    return text


# Old clusters say less in labels: the namespace stands in front of the pod's name, the container's name in its alias.
cdef void complete_labels(labels_t* labels, span_t name) noexcept nogil:
    cdef const char* found
    cdef size_t at
    if labels.namespace.len == 0 and labels.pod.len:
        found = <const char*> memchr(labels.pod.ptr, c'/', labels.pod.len)
        if found != NULL:
            at = <size_t> (found - labels.pod.ptr)
            labels.namespace = slice_of(labels.pod, 0, at)
            labels.pod = slice_of(labels.pod, at + 1, labels.pod.len)
    if labels.container.len == 0 and name.len > ALIAS_PREFIX:
        found = <const char*> memchr(name.ptr, c'.', name.len)
        # Heapster crashes when the point is among the first four bytes (K-15). Nor is half a character a name.
        if found > name.ptr + ALIAS_PREFIX and <uint8_t> name.ptr[ALIAS_PREFIX] & 0xC0 != 0x80:
            labels.container = slice_of(name, ALIAS_PREFIX, <size_t> (found - name.ptr))


# Decides what the container is, and names its row. False: it has no name.
cdef bint name_row(row_t* row, span_t name, labels_t labels) noexcept nogil:
    if is_word(name, "/", 1):
        row.kind = KIND_NODE       # its name is the API server's to say
        return True
    complete_labels(&labels, name)
    if labels.container.len == 0 or labels.namespace.len == 0 or labels.pod.len == 0:
        row.kind = KIND_SYS_CONTAINER
        row.name = slice_of(name, 1, name.len) if name.len and name.ptr[0] == c'/' else name
        return row.name.len != 0
    row.namespace = labels.namespace
    row.uid = labels.uid
    if is_word(labels.container, "POD", 3):
        row.kind = KIND_POD        # the container that holds the pod's network
        row.name = labels.pod
    else:
        row.kind = KIND_POD_CONTAINER
        row.name = labels.container
        row.pod = labels.pod
        row.has_image = True
    return True


cdef void read_aliases(cursor_t* c, Rows rows, span_t* alias) noexcept nogil:
    cdef bint inside = False
    alias.len = 0
    if not enter(c, rows, c'['):
        return
    if next_element(c, &inside):
        read_text(c, rows, alias)
        while next_element(c, &inside):
            skip_value(c)


# Finds the last of the samples. False when there is none.
cdef bint find_last_sample(cursor_t* c, Rows rows, where_t* sample) noexcept nogil:
    cdef bint inside = False, found = False
    if enter(c, rows, c'['):
        while next_element(c, &inside):
            found = find_sample(c, rows, sample)
    return found


cdef void read_info(cursor_t* c, Rows rows) noexcept nogil:
    cdef:
        walk_t walk = over(&INFO_NAMES)
        const char* start = c.at
        const char* after
        uint32_t before = rows.n_rows
        span_t name = no_text(), alias = no_text()
        where_t spec = no_members(), sample = no_members()
        bint has_sample = False
        labels_t labels
        row_t* row
    if not enter(c, rows, c'{'):
        return
    while next_member(c, &walk):
        if walk.id == NAME:
            read_plain_text(c, rows, &name)
        elif walk.id == ALIASES:
            read_aliases(c, rows, &alias)
        elif walk.id == SPEC:
            find_spec(c, rows, &spec)
        elif walk.id == STATS:
            has_sample = find_last_sample(c, rows, &sample)
        else:
            skip_value(c)
    if not has_sample or c.error:
        return
    after = c.at
    row = rows.add_row(KIND_SYS_CONTAINER)
    if row == NULL:
        fail(c, CURSOR_MEMORY)
        return
    labels = read_labels(c, rows, &spec)
    if name_row(row, alias if alias.len else name, labels):
        if row.has_image and go_to(c, spec.at[SPEC_IMAGE]):
            read_plain_text(c, rows, &row.image)
        read_sample(c, rows, row, &spec, &sample)
    else:
        rows.note_bad(start - c.start)
        rows.n_rows = before
    if not c.error:
        c.at = after


# Whether the object behind the cursor maps paths to infos, rather than being an info: only paths start with a slash.
cdef bint is_map(cursor_t* c, Rows rows) noexcept nogil:
    cdef string_t key
    cdef span_t text
    cdef const char* start = c.at
    if peek_token(c) != c'"':
        c.at = start
        return True                # empty, or broken
    if not scan_string(c, &key):
        return True
    if not own_text(rows, &key, &text):
        fail(c, CURSOR_MEMORY)
        return True
    c.at = start
    return text.len != 0 and text.ptr[0] == c'/'


cdef void read_infos(cursor_t* c, Rows rows) noexcept nogil:
    cdef bint inside = False
    cdef walk_t walk = over(&NO_NAMES)
    if peek_token(c) == c'[':
        c.at += 1
        while next_element(c, &inside):
            read_info(c, rows)
        return
    if peek_token(c) != c'{':
        fail(c, CURSOR_TOKEN)
        return
    c.at += 1
    if is_map(c, rows):
        while next_member(c, &walk):
            read_info(c, rows)
    else:
        c.at -= 1
        read_info(c, rows)


# Puts the node before all others; of several the last.
cdef void move_node_first(Rows rows) noexcept nogil:
    cdef uint32_t i, node = 0
    cdef row_t row
    for i in range(rows.n_rows):
        if rows.row[i].kind == KIND_NODE:
            if node != i and rows.row[node].kind == KIND_NODE:
                rows.row[node].kind = ROW_DROPPED
            node = i
    if node:
        row = rows.row[node]
        for i in range(node, 0, -1):
            rows.row[i] = rows.row[i - 1]
        rows.row[0] = row


def parse_cadvisor(body not None, Rows rows not None):
    """Reads a cAdvisor container answer into `rows`, in place of what they held.

    `body` is bytes, or anything else with a contiguous buffer; `rows` keeps it and borrows its text until the next
    parse or `rows.clear()`. Nobody may write to it until then. Values that are no unsigned 63-bit integers are left
    out and counted in `rows.bad_values`, as are bad times and groups, and containers without a name. The node's row
    has no name: the answer does not say it.

    Raises ParseError with the offset when the body is no JSON object or array; `rows` are empty then.
    """
    cdef cursor_t c
    rows.reset(body, &c)
    with nogil:
        read_infos(&c, rows)
        if not c.error:
            move_node_first(rows)
    rows.finish(&c, "cAdvisor answer")
