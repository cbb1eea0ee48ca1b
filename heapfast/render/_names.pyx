"""Lists of names: of nodes, namespaces, pods, containers, metrics, and of all keys.

In      a closed batch, or strings
Out     bytes: an indented JSON list of strings, sorted (B12), `[]` when empty
Callers api/model.py
Source  spec/heapster-rest.md 6.1 and 7.5
Never   changes anything; lists of a batch are written without the GIL, so a thread may do it
"""
from libc.string cimport memcmp

from heapfast._batch cimport Batch, frame_t, is_present
from heapfast._text cimport text_t
from heapfast._types cimport (
    KIND_CLUSTER,
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_POD_CONTAINER,
    KIND_SYS_CONTAINER,
    N_KINDS,
    uint32_t,
)
from heapfast.render._json cimport JsonBuffer, put_char, put_line, put_literal
from heapfast.render._order cimport NameOrder


def render_strings(names) -> bytes:
    """Return a list of strings as they come, which the caller has sorted."""
    cdef JsonBuffer buffer = JsonBuffer()
    cdef bytes raw
    cdef bint first = True
    put_char(buffer, c"[")
    for name in names:
        raw = name.encode("utf-8", "surrogateescape")
        _put_line(buffer, first)
        buffer.put_string(raw, len(raw))
        first = False
    _end(buffer, first)
    return buffer.take()


def render_names(Batch batch not None, int kind, int parent_kind=-1, Py_ssize_t parent=-1) -> bytes:
    """Return the names of all entities of a kind that the batch shows, or of one parent's.

    Args:
        batch: a closed batch.
        kind: of the entities.
        parent_kind: with `parent`: the kind and the slot whose children are meant; a slot that the
            batch does not have gives an empty list.
    """
    cdef NameOrder order = NameOrder()
    cdef JsonBuffer buffer = JsonBuffer()
    cdef uint32_t i
    cdef bint ok
    if not 0 <= kind < N_KINDS or parent_kind >= N_KINDS:
        raise ValueError(f"BUG: no entity kind {kind} below {parent_kind}")
    with nogil:
        if parent_kind < 0:
            ok = order.load_present(&batch.frame[kind])
        elif parent < 0 or not is_present(&batch.frame[parent_kind], <uint32_t>parent):
            ok = True
        else:
            ok = order.load_children(&batch.frame[parent_kind], <uint32_t>parent, &batch.frame[kind], kind)
        put_char(buffer, c"[")
        for i in range(order.n):
            _put_line(buffer, i == 0)
            buffer.put_text(order.items[i].name)
        _end(buffer, order.n == 0)
    if not ok:
        raise MemoryError("cannot list names: out of memory")
    return buffer.take()


def render_keys(Batch batch not None) -> bytes:
    """Return the keys of all entities of the batch: the cluster, namespaces with all below, nodes."""
    cdef JsonBuffer buffer = JsonBuffer()
    cdef NameOrder outer = NameOrder()
    cdef NameOrder middle = NameOrder()
    cdef NameOrder inner = NameOrder()
    with nogil:
        if not _put_keys(buffer, &batch.frame[0], outer, middle, inner):
            buffer.failed = True
    return buffer.take()


def node_with_hostname(Batch batch not None, bytes hostname not None) -> int:
    """Return the slot of a node that the batch shows under this host name, or -1.

    Nodes are addressed by name; host names are what Heapster's own node list showed (B1).
    Looks at every node, a few nanoseconds each.
    """
    cdef const frame_t* frame = &batch.frame[KIND_NODE]
    cdef const char* wanted = hostname
    cdef Py_ssize_t n = len(hostname)
    cdef const text_t* text
    cdef uint32_t slot
    if frame.hostname == NULL:
        return -1
    for slot in range(frame.n):
        text = frame.hostname[slot]
        if frame.present[slot] and text != NULL and text.len == n and memcmp(text.data, wanted, n) == 0:
            return slot
    return -1


cdef inline void _put_line(JsonBuffer buffer, bint first) noexcept nogil:
    if not first:
        put_char(buffer, c",")
    put_line(buffer, 1)


cdef inline void _end(JsonBuffer buffer, bint empty) noexcept nogil:
    if not empty:
        put_line(buffer, 0)
    put_char(buffer, c"]")


cdef inline void _put_part(JsonBuffer buffer, const char* label, const text_t* name) noexcept nogil:
    put_literal(buffer, label)
    if name != NULL:
        buffer.put_content(name.data, name.len)


cdef inline void _put_namespace(JsonBuffer buffer, const text_t* namespace, bint first) noexcept nogil:
    _put_line(buffer, first)
    _put_part(buffer, b'"namespace:', namespace)


cdef inline void _put_pod(JsonBuffer buffer, const text_t* namespace, const text_t* pod) noexcept nogil:
    _put_namespace(buffer, namespace, False)
    _put_part(buffer, b"/pod:", pod)


cdef bint _put_keys(
    JsonBuffer buffer, const frame_t* frames, NameOrder outer, NameOrder middle, NameOrder inner
) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t j
    cdef uint32_t k
    cdef bint first = True
    put_char(buffer, c"[")
    if frames[KIND_CLUSTER].n_present:
        _put_line(buffer, True)
        put_literal(buffer, b'"cluster"')
        first = False
    if not outer.load_present(&frames[KIND_NAMESPACE]):
        return False
    for i in range(outer.n):
        _put_namespace(buffer, outer.items[i].name, first)
        put_char(buffer, c'"')
        first = False
        if not middle.load_children(&frames[KIND_NAMESPACE], outer.items[i].slot, &frames[KIND_POD], KIND_POD):
            return False
        for j in range(middle.n):
            _put_pod(buffer, outer.items[i].name, middle.items[j].name)
            put_char(buffer, c'"')
            if not inner.load_children(
                &frames[KIND_POD], middle.items[j].slot, &frames[KIND_POD_CONTAINER], KIND_POD_CONTAINER
            ):
                return False
            for k in range(inner.n):
                _put_pod(buffer, outer.items[i].name, middle.items[j].name)
                _put_part(buffer, b"/container:", inner.items[k].name)
                put_char(buffer, c'"')
    return _put_node_keys(buffer, frames, outer, middle, first)


cdef bint _put_node_keys(
    JsonBuffer buffer, const frame_t* frames, NameOrder nodes, NameOrder containers, bint first
) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t j
    if not nodes.load_present(&frames[KIND_NODE]):
        return False
    for i in range(nodes.n):
        _put_line(buffer, first)
        _put_part(buffer, b'"node:', nodes.items[i].name)
        put_char(buffer, c'"')
        first = False
        if not containers.load_children(
            &frames[KIND_NODE], nodes.items[i].slot, &frames[KIND_SYS_CONTAINER], KIND_SYS_CONTAINER
        ):
            return False
        for j in range(containers.n):
            _put_line(buffer, False)
            _put_part(buffer, b'"node:', nodes.items[i].name)
            _put_part(buffer, b"/container:", containers.items[j].name)
            put_char(buffer, c'"')
    _end(buffer, first)
    return True
