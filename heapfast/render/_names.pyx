"""Lists of names: of nodes, namespaces, pods, containers, metrics, and of all keys.

In      a closed batch, a sorted list of names, or strings
Out     bytes: an indented JSON list of strings, sorted (B12), `[]` when empty
Callers api/model.py, api/historical.py
Source  spec/heapster-rest.md 6.1 and 7.5
Never   changes anything; all but strings are written without the GIL, so a thread may do it
"""
from libc.string cimport memcmp

from heapfast._batch cimport Batch
from heapfast._frame cimport frame_t, is_present
from heapfast._name_list cimport NameList
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
from heapfast.render._json cimport (
    JsonBuffer,
    buffer_t,
    put_char,
    put_content,
    put_line,
    put_literal,
    put_string,
    put_text,
)
from heapfast.render._order cimport NameOrder, load_children, load_present, order_t


def render_strings(names) -> bytes:
    """Return a list of strings as they come, which the caller has sorted."""
    cdef JsonBuffer owner = JsonBuffer()
    cdef buffer_t* buffer = &owner.buffer
    cdef bytes raw
    cdef bint first = True
    put_char(buffer, c"[")
    for name in names:
        raw = name.encode("utf-8", "surrogateescape")
        _put_line(buffer, first)
        put_string(buffer, raw, len(raw))
        first = False
    _end(buffer, first)
    return owner.take()


def render_name_list(NameList names not None) -> bytes:
    """Return a list of names, which has been sorted."""
    cdef JsonBuffer owner = JsonBuffer()
    cdef buffer_t* buffer = &owner.buffer
    cdef size_t start = 0
    cdef Py_ssize_t i
    with nogil:
        put_char(buffer, c"[")
        for i in range(names.n):
            _put_line(buffer, i == 0)
            put_string(buffer, names.data + start, names.end[i] - start)
            start = names.end[i]
        _end(buffer, names.n == 0)
    return owner.take()


def render_names(Batch batch not None, int kind, int parent_kind=-1, Py_ssize_t parent=-1) -> bytes:
    """Return the names of all entities of a kind that the batch shows, or of one parent's.

    Args:
        batch: a closed batch.
        kind: of the entities.
        parent_kind: with `parent`: the kind and the slot whose children are meant; a slot that the
            batch does not have gives an empty list.
    """
    cdef NameOrder order_owner = NameOrder()
    cdef order_t* order = &order_owner.order
    cdef const frame_t* frame
    cdef const frame_t* parents = NULL
    cdef JsonBuffer owner = JsonBuffer()
    cdef buffer_t* buffer = &owner.buffer
    cdef uint32_t i
    cdef bint ok
    if not 0 <= kind < N_KINDS or parent_kind >= N_KINDS:
        raise ValueError(f"BUG: no entity kind {kind} below {parent_kind}")
    frame = &batch.frame[kind]
    if parent_kind >= 0:
        parents = &batch.frame[parent_kind]
    with nogil:
        if parents == NULL:
            ok = load_present(order, frame)
        elif parent < 0 or not is_present(parents, <uint32_t>parent):
            ok = True
        else:
            ok = load_children(order, parents, <uint32_t>parent, frame, kind)
        put_char(buffer, c"[")
        for i in range(order.n):
            _put_line(buffer, i == 0)
            put_text(buffer, order.items[i].name)
        _end(buffer, order.n == 0)
    if not ok:
        raise MemoryError("cannot list names: out of memory")
    return owner.take()


def render_keys(Batch batch not None) -> bytes:
    """Return the keys of all entities of the batch: the cluster, namespaces with all below, nodes."""
    cdef JsonBuffer owner = JsonBuffer()
    cdef buffer_t* buffer = &owner.buffer
    cdef NameOrder outer = NameOrder()
    cdef NameOrder middle = NameOrder()
    cdef NameOrder inner = NameOrder()
    cdef order_t* orders[3]
    cdef const frame_t* frames = &batch.frame[0]
    orders[0] = &outer.order
    orders[1] = &middle.order
    orders[2] = &inner.order
    with nogil:
        if not _put_keys(buffer, frames, orders[0], orders[1], orders[2]):
            buffer.failed = True
    return owner.take()


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


cdef inline void _put_line(buffer_t* buffer, bint first) noexcept nogil:
    if not first:
        put_char(buffer, c",")
    put_line(buffer, 1)


cdef inline void _end(buffer_t* buffer, bint empty) noexcept nogil:
    if not empty:
        put_line(buffer, 0)
    put_char(buffer, c"]")


cdef inline void _put_part(buffer_t* buffer, const char* label, const text_t* name) noexcept nogil:
    put_literal(buffer, label)
    if name != NULL:
        put_content(buffer, name.data, name.len)


cdef inline void _put_namespace(buffer_t* buffer, const text_t* namespace, bint first) noexcept nogil:
    _put_line(buffer, first)
    _put_part(buffer, b'"namespace:', namespace)


cdef inline void _put_pod(buffer_t* buffer, const text_t* namespace, const text_t* pod) noexcept nogil:
    _put_namespace(buffer, namespace, False)
    _put_part(buffer, b"/pod:", pod)


cdef bint _put_keys(
    buffer_t* buffer, const frame_t* frames, order_t* outer, order_t* middle, order_t* inner
) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t j
    cdef uint32_t k
    cdef uint32_t pod
    cdef bint first = True
    put_char(buffer, c"[")
    if frames[KIND_CLUSTER].n_present:
        _put_line(buffer, True)
        put_literal(buffer, b'"cluster"')
        first = False
    if not load_present(outer, &frames[KIND_NAMESPACE]):
        return False
    for i in range(outer.n):
        _put_namespace(buffer, outer.items[i].name, first)
        put_char(buffer, c'"')
        first = False
        if not load_children(middle, &frames[KIND_NAMESPACE], outer.items[i].slot, &frames[KIND_POD], KIND_POD):
            return False
        for j in range(middle.n):
            _put_pod(buffer, outer.items[i].name, middle.items[j].name)
            put_char(buffer, c'"')
            pod = middle.items[j].slot
            if not load_children(inner, &frames[KIND_POD], pod, &frames[KIND_POD_CONTAINER], KIND_POD_CONTAINER):
                return False
            for k in range(inner.n):
                _put_pod(buffer, outer.items[i].name, middle.items[j].name)
                _put_part(buffer, b"/container:", inner.items[k].name)
                put_char(buffer, c'"')
    return _put_node_keys(buffer, frames, outer, middle, first)


cdef bint _put_node_keys(
    buffer_t* buffer, const frame_t* frames, order_t* nodes, order_t* containers, bint first
) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t j
    cdef uint32_t node
    if not load_present(nodes, &frames[KIND_NODE]):
        return False
    for i in range(nodes.n):
        _put_line(buffer, first)
        _put_part(buffer, b'"node:', nodes.items[i].name)
        put_char(buffer, c'"')
        first = False
        node = nodes.items[i].slot
        if not load_children(containers, &frames[KIND_NODE], node, &frames[KIND_SYS_CONTAINER], KIND_SYS_CONTAINER):
            return False
        for j in range(containers.n):
            _put_line(buffer, False)
            _put_part(buffer, b'"node:', nodes.items[i].name)
            _put_part(buffer, b"/container:", containers.items[j].name)
            put_char(buffer, c'"')
    _end(buffer, first)
    return True
