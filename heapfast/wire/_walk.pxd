"""Walks over the members of an object and the elements of an array.

In      a cursor on a value, and the names of the members that matter
Out     each member's id, with the cursor on its value; the caller reads exactly that value, then asks for the next
Callers _summary.pyx, _cadvisor.pyx, _sample.pyx, _resource_rows.pxd
Source  Go's encoding/json: names match whatever their case (ASCII letters), unknown ones are passed over
Never   looks into values

    cdef walk_t walk = over(&CPU)
    while next_member(c, &walk):
        if walk.id == TIME: ...
        else: skip_value(c)

Kubelets always write members in the same order. So the search for a name starts behind the one found last, and its
first guess is nearly always right. Names are compared as three words of eight bytes that may overlap:

    usageCoreNanoSeconds          eventsTotal           cpu
    [ head ][middle]              [ head ]              [he]
                [ tail ]             [ tail ]
"""
from libc.string cimport memcpy, memset

from heapfast._types cimport uint32_t, uint64_t
from heapfast.wire._cursor cimport CURSOR_TOKEN, cursor_t, fail_at, scan_string, string_t
from heapfast.wire._scan cimport find_stop, load64, skip_blanks
from heapfast.wire._text cimport decode_json


cdef enum:
    NAME_UNKNOWN = 0xFF        # a member that is not in the table
    NAME_MAX = 24              # bytes of the longest name: three words
    NAMES_MAX = 12             # names of one object
    RAW_NAME_MAX = 144         # a name of NAME_MAX bytes, all written as \uXXXX

# One name. A word matches when its bytes, with the case bit of every letter set, are those of the name.
cdef struct name_t:
    uint32_t len
    uint32_t id
    uint64_t head, head_case, head_used     # used: which bytes of the word belong to a name below eight bytes
    uint64_t middle, middle_case
    uint64_t tail, tail_case

cdef struct names_t:
    int n
    name_t[NAMES_MAX] name

cdef struct walk_t:
    const names_t* names
    int guess                  # index of the name that is tried first
    bint inside                # a member or an element was met
    uint32_t id                # of the member at the cursor, or NAME_UNKNOWN
    string_t key               # of the member at the cursor, as it stands in the text


cdef inline uint64_t name_word(bytes name, Py_ssize_t start, bint case_bits) noexcept:
    cdef uint64_t word = 0
    cdef Py_ssize_t i
    for i in range(min(8, len(name) - start)):
        letter = chr(name[start + i]).isalpha()
        word |= <uint64_t> ((0x20 if letter else 0) if case_bits else name[start + i]) << (8 * i)
    return word


# The table of an object: member name -> id. Called once per object, at import.
cdef inline names_t names(dict ids) except *:
    cdef names_t table
    cdef name_t* name
    memset(&table, 0, sizeof(table))
    for key, value in ids.items():
        if table.n == NAMES_MAX or len(key) > NAME_MAX:
            raise ValueError(f"BUG: {key} does not fit into a table of names")
        lower = key.lower().encode("ascii")
        name = &table.name[table.n]
        name.len = <uint32_t> len(lower)
        name.id = value
        name.head = name_word(lower, 0, False)
        name.head_case = name_word(lower, 0, True)
        name.head_used = <uint64_t> -1 if name.len >= 8 else (<uint64_t> 1 << (8 * name.len)) - 1
        if name.len > 8:
            name.tail = name_word(lower, name.len - 8, False)
            name.tail_case = name_word(lower, name.len - 8, True)
        if name.len > 16:
            name.middle = name_word(lower, 8, False)
            name.middle_case = name_word(lower, 8, True)
        table.n += 1
    return table


# NAME_MAX bytes can be read at `key`.
cdef inline uint32_t find_name(walk_t* walk, const char* key, uint32_t size) noexcept nogil:
    cdef:
        const names_t* table = walk.names
        const name_t* name
        uint64_t head = load64(key)
        int i = walk.guess
        int _
    for _ in range(table.n):
        if i == table.n:
            i = 0
        name = &table.name[i]
        i += 1
        if name.len != size or (head & name.head_used) | name.head_case != name.head:
            continue
        if size > 8 and load64(key + size - 8) | name.tail_case != name.tail:
            continue
        if size > 16 and load64(key + 8) | name.middle_case != name.middle:
            continue
        walk.guess = i
        return name.id
    return NAME_UNKNOWN


# A name with escapes, or too near the end of the body to be read in words: looked up in a copy.
cdef inline uint32_t find_odd_name(walk_t* walk, const string_t* key) noexcept nogil:
    cdef char[3 * RAW_NAME_MAX] copy
    cdef size_t size = key.len
    if key.len > RAW_NAME_MAX:
        return NAME_UNKNOWN
    memset(copy, 0, NAME_MAX)
    if not key.escaped:
        memcpy(copy, key.ptr, key.len)
    else:
        size = decode_json(key.ptr, key.len, copy)
    return NAME_UNKNOWN if size > NAME_MAX else find_name(walk, copy, <uint32_t> size)


cdef inline walk_t over(const names_t* table) noexcept nogil:
    cdef walk_t walk
    walk.names = table
    walk.guess = 0
    walk.inside = False
    walk.id = NAME_UNKNOWN
    walk.key.ptr = NULL
    walk.key.len = 0
    walk.key.escaped = False
    return walk


# Goes to the next item of an object or array whose bracket is behind the cursor. NULL at its end or after an error.
cdef inline const char* next_item(cursor_t* c, bint* inside, char close) noexcept nogil:
    cdef const char* at = skip_blanks(c.at, c.end)
    if at == c.end:
        fail_at(c, at, CURSOR_TOKEN)
        return NULL
    if at[0] == close:
        c.at = at + 1
        return NULL
    if inside[0]:
        if at[0] != c',':
            fail_at(c, at, CURSOR_TOKEN)
            return NULL
        at = skip_blanks(at + 1, c.end)
        # `[1,]`: a comma promises an item.
        if at == c.end or at[0] == close:
            fail_at(c, at, CURSOR_TOKEN)
            return NULL
    inside[0] = True
    return at


cdef inline bint next_element(cursor_t* c, bint* inside) noexcept nogil:
    cdef const char* at = next_item(c, inside, c']')
    if at == NULL:
        return False
    c.at = at
    return True


cdef inline bint next_member(cursor_t* c, walk_t* walk) noexcept nogil:
    cdef const char* at = next_item(c, &walk.inside, c'}')
    cdef const char* stop
    if at == NULL:
        return False
    if at[0] != c'"':
        fail_at(c, at, CURSOR_TOKEN)
        return False
    stop = find_stop(at + 1, c.end)
    if stop < c.end and stop[0] == c'"':
        walk.key.ptr = at + 1
        walk.key.len = <uint32_t> (stop - at - 1)
        walk.key.escaped = False
        at = stop + 1
    else:
        c.at = at
        if not scan_string(c, &walk.key):
            return False
        at = c.at
    at = skip_blanks(at, c.end)
    if at == c.end or at[0] != c':':
        fail_at(c, at, CURSOR_TOKEN)
        return False
    c.at = skip_blanks(at + 1, c.end)
    if walk.key.escaped or c.end - walk.key.ptr < NAME_MAX:
        walk.id = find_odd_name(walk, &walk.key)
    else:
        walk.id = find_name(walk, walk.key.ptr, walk.key.len) if walk.key.len <= NAME_MAX else NAME_UNKNOWN
    return True
