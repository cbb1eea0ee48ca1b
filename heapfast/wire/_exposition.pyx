"""The Prometheus text format, read line by line; _exposition.pxd shows how it is used.

In      a body of text format 0.0.4 or OpenMetrics
Out     samples. Families, types, help and exemplars are checked for form and passed over
Callers _resource.pyx; tests and tools take parse_exposition; naive_exposition.py is the same in plain Python
Source  spec/metrics-k8s-io.md 15: what is well-formed. Where both formats agree, one rule serves both; nobody is made
        to group samples by family, as OpenMetrics asks of those who write
Never   keeps more than the text of the sample at hand, or needs the GIL below the door
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.math cimport llrint
from libc.stdint cimport INT64_MAX
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, strlen

from heapfast._types cimport int64_t, span_t, uint32_t, uint64_t
from heapfast.wire._decimal cimport read_decimal
from heapfast.wire._scan cimport BLOCK, find_stop_noting_high, load64, same_mask, take_digits
from heapfast.wire._text cimport utf8_length

from heapfast.errors import ParseError

cdef enum:
    EXPOSITION_MAX = 1 << 30   # bytes of a body; spans count in 32 bits
    TIME_DIGITS_MAX = 19       # digits of any int64
    N_TYPES = 9

cdef const char* TYPE = "TYPE"
cdef const char* TYPES[N_TYPES]
TYPES[:] = [
    "counter", "gauge", "histogram", "summary", "untyped", "unknown", "info", "stateset", "gaugehistogram",
]

MESSAGES = {
    EXPOSITION_NAME: "want a metric name",
    EXPOSITION_LABEL: 'want labels as name="value", separated by commas',
    EXPOSITION_QUOTE: "got the end of the line inside quotes",
    EXPOSITION_VALUE: "want a value that fits a double",
    EXPOSITION_TIME: "want a time that fits 64 bits",
    EXPOSITION_REST: "want the end of the line",
    EXPOSITION_TYPE: "want the name and the type of a metric",
    EXPOSITION_TEXT: "got NUL or a byte that is no UTF-8",
    EXPOSITION_EOF: "want # EOF as the last line, and only there",
}


cdef bint fail(exposition_t* e, const char* at, int error) noexcept nogil:
    """Notes the first error and ends the text. Always False, for callers to return."""
    if e.error == EXPOSITION_OK:
        e.error = error
        e.error_at = at
    e.at = e.end
    return False


cdef inline char peek(const exposition_t* e) noexcept nogil:
    """The byte at the cursor; 0 at the end, which no line of the format has."""
    return e.at[0] if e.at < e.end else 0


cdef inline void skip_spaces(exposition_t* e) noexcept nogil:
    cdef const char* at = e.at
    while at < e.end and (at[0] == c' ' or at[0] == c'\t'):
        at += 1
    e.at = at


cdef inline bint is_letter(char byte) noexcept nogil:
    return c'a' <= (byte | 0x20) <= c'z' or byte == c'_'


cdef inline bint is_digit(char byte) noexcept nogil:
    return c'0' <= byte <= c'9'


cdef inline bint is_word_byte(char byte) noexcept nogil:
    return is_letter(byte) or is_digit(byte)


cdef inline bint is_name_byte(char byte) noexcept nogil:
    return is_word_byte(byte) or byte == c':'


cdef inline const char* skip_name(const char* at, const char* end) noexcept nogil:
    """Behind the name of a metric; `at` itself when there is none."""
    if at < end and is_digit(at[0]):
        return at
    while at < end and is_name_byte(at[0]):
        at += 1
    return at


cdef inline const char* skip_word(const char* at, const char* end) noexcept nogil:
    """Behind the name of a label, which has no colons."""
    if at < end and is_digit(at[0]):
        return at
    while at < end and is_word_byte(at[0]):
        at += 1
    return at


cdef inline bint is_word_at_cursor(const exposition_t* e, span_t word) noexcept nogil:
    """Whether a word that stood before the cursor stands there again, and what ended it ends it there, too."""
    cdef uint32_t all_of_it
    if word.len == 0 or word.len >= BLOCK or e.end - e.at < BLOCK:
        return False
    all_of_it = (<uint32_t> 2 << word.len) - 1
    return same_mask(e.at, word.ptr) & all_of_it == all_of_it


# -- text ------------------------------------------------------------------------------------------


cdef inline bint is_plain(uint64_t word) noexcept nogil:
    """Whether eight bytes are ASCII without NUL."""
    # A byte of 0x80 and more has its upper bit set; a NUL gets it by borrowing.
    return ((word - <uint64_t> 0x0101010101010101) | word) & <uint64_t> 0x8080808080808080 == 0


cdef bint check_text(exposition_t* e, const char* at, const char* stop) noexcept nogil:
    """Whether all of it is UTF-8 without NUL."""
    cdef int n
    while at < stop:
        if stop - at >= 8:
            if is_plain(load64(at)):
                at += 8
                continue
        elif stop - e.start >= 8:
            # The last eight bytes up to `stop`; those before `at` move out, and ones come in behind.
            n = 8 * <int> (stop - at)
            if is_plain(load64(stop - 8) >> (64 - n) | <uint64_t> 0x0101010101010101 << n):
                return True
        n = utf8_length(at, stop)
        if n == 0 or at[0] == 0:
            return fail(e, at, EXPOSITION_TEXT)
        at += n
    return True


cdef void undo_escapes(exposition_t* e, span_t* text) noexcept nogil:
    """Copies text to the arena; of escapes there are three, and any other backslash is one."""
    cdef const char* at = text.ptr
    cdef const char* stop = at + text.len
    text.ptr = e.arena
    while at < stop:
        if at[0] == c'\\' and (at[1] == c'\\' or at[1] == c'"' or at[1] == c'n'):
            at += 1
            e.arena[0] = c'\n' if at[0] == c'n' else at[0]
        else:
            e.arena[0] = at[0]
        e.arena += 1
        at += 1
    text.len = <uint32_t> (e.arena - text.ptr)


cdef bint read_quoted(exposition_t* e, span_t* out) noexcept nogil:
    """Reads the text whose opening quote is at the cursor."""
    cdef bint has_escapes = False
    cdef bint is_odd = False
    cdef const char* at = e.at + 1
    out.ptr = at
    while True:
        at = find_stop_noting_high(at, e.end, &is_odd)
        if at < e.end and at[0] == c'"':
            break
        # A control character, or what a backslash takes the sense of: NUL may be among them.
        is_odd = True
        if at < e.end and at[0] == c'\\':
            # What follows a backslash ends nothing, unless it ends the line.
            has_escapes = True
            at += 1
        if at == e.end or at[0] == c'\n':
            return fail(e, at, EXPOSITION_QUOTE)
        at += 1
    out.len = <uint32_t> (at - out.ptr)
    if is_odd and not check_text(e, out.ptr, at):
        return False
    e.at = at + 1
    if has_escapes:
        undo_escapes(e, out)
    return True


# -- lines -----------------------------------------------------------------------------------------


cdef inline bint end_line(exposition_t* e) noexcept nogil:
    skip_spaces(e)
    if e.at == e.end:
        return True
    if e.at[0] == c'\n':
        e.at += 1
        return True
    if e.crlf and e.at[0] == c'\r' and e.end - e.at > 1 and e.at[1] == c'\n':
        e.at += 2
        return True
    return fail(e, e.at, EXPOSITION_REST)


cdef bint check_type(exposition_t* e) noexcept nogil:
    """Checks the name and the type behind "# TYPE ", to the end of the line."""
    cdef span_t name
    cdef const char* word
    cdef size_t size
    cdef int i
    skip_spaces(e)
    if peek(e) == c'"':
        if not read_quoted(e, &name):
            return False
    else:
        word = e.at
        e.at = skip_name(word, e.end)
        if e.at == word:
            return fail(e, word, EXPOSITION_TYPE)
    skip_spaces(e)
    word = e.at
    e.at = skip_word(word, e.end)
    size = <size_t> (e.at - word)
    for i in range(N_TYPES):
        if size == strlen(TYPES[i]) and memcmp(word, TYPES[i], size) == 0:
            return end_line(e)
    return fail(e, word, EXPOSITION_TYPE)


cdef bint skip_comment(exposition_t* e) noexcept nogil:
    """Passes over the line that starts with "#" at the cursor."""
    cdef const char* line = e.at
    cdef const char* stop = <const char*> memchr(line, c'\n', <size_t> (e.end - line))
    cdef size_t size
    if stop == NULL:
        stop = e.end
    if not check_text(e, line, stop):
        return False
    e.at += 1
    skip_spaces(e)
    if stop - e.at > 4 and memcmp(e.at, TYPE, 4) == 0 and (e.at[4] == c' ' or e.at[4] == c'\t'):
        e.at += 5
        return check_type(e)
    e.at = stop if stop == e.end else stop + 1
    if e.openmetrics:
        size = <size_t> (stop - line)
        if e.crlf and (stop - 1)[0] == c'\r':
            size -= 1
        if size == 5 and memcmp(line, <const char*> "# EOF", 5) == 0:
            e.ended = True
            return e.at == e.end or fail(e, e.at, EXPOSITION_EOF)
    return True


cdef inline bint scan_name(exposition_t* e) noexcept nogil:
    cdef size_t size = e.bare.len
    if peek(e) == c'{':
        e.name.ptr = e.at
        e.name.len = 0
        return True
    if (size and size < <size_t> (e.end - e.at) and memcmp(e.at, e.bare.ptr, size) == 0
            and not is_name_byte(e.at[size])):
        e.at += size
    else:
        e.bare.ptr = e.at
        e.at = skip_name(e.at, e.end)
        e.bare.len = <uint32_t> (e.at - e.bare.ptr)
        if e.bare.len == 0:
            return fail(e, e.at, EXPOSITION_NAME)
    e.name = e.bare
    if peek(e) == c'{':
        return True
    if peek(e) != c' ' and peek(e) != c'\t':
        return fail(e, e.at, EXPOSITION_VALUE if e.at == e.end or e.at[0] == c'\n' else EXPOSITION_NAME)
    skip_spaces(e)
    return True


cdef void open_exposition(exposition_t* e, const char* text, size_t size, char* arena) noexcept nogil:
    cdef int i
    e.start = e.at = text
    e.end = text + size
    e.error_at = NULL
    e.error = EXPOSITION_OK
    e.arena = arena
    e.name.ptr = e.bare.ptr = NULL
    e.name.len = e.bare.len = 0
    e.n_labels = 0
    for i in range(N_WORDS):
        e.word[i].len = 0
    e.openmetrics = e.crlf = e.ended = False


cdef bint next_sample(exposition_t* e) noexcept nogil:
    cdef char first
    while e.at < e.end:
        first = e.at[0]
        if first == c'#':
            if not skip_comment(e):
                return False
        elif first == c'\n' or (e.crlf and first == c'\r'):
            if not end_line(e):
                return False
        else:
            return scan_name(e)
    if e.openmetrics and not e.ended:
        fail(e, e.end, EXPOSITION_EOF)
    return False


# -- labels ----------------------------------------------------------------------------------------


cdef bint next_label(exposition_t* e, bint* inside, label_t* out) noexcept nogil:
    cdef span_t quoted
    cdef span_t* word
    if not inside[0]:
        e.at += 1
        e.n_labels = 0
    while True:
        skip_spaces(e)
        if inside[0] and peek(e) == c',':
            e.at += 1
            skip_spaces(e)
        elif inside[0] and peek(e) != c'}':
            return fail(e, e.at, EXPOSITION_LABEL)
        if peek(e) == c'}':
            e.at += 1
            if e.name.len == 0:
                fail(e, e.at - 1, EXPOSITION_NAME)
            return False
        inside[0] = True
        if peek(e) == c'"':
            if not read_quoted(e, &quoted):
                return False
            skip_spaces(e)
            if peek(e) != c'=':
                # A name that is no plain word stands among the labels: {"my.metric", a="b"} 1
                if e.name.len or quoted.len == 0:
                    return fail(e, e.at, EXPOSITION_LABEL)
                e.name = quoted
                continue
            out.name = quoted
        else:
            out.name.ptr = e.at
            word = &e.word[e.n_labels]
            if is_word_at_cursor(e, word[0]):
                e.at += word.len
            else:
                e.at = skip_word(e.at, e.end)
            out.name.len = <uint32_t> (e.at - out.name.ptr)
            word[0] = out.name
            e.n_labels = (e.n_labels + 1) % N_WORDS
            skip_spaces(e)
        if out.name.len == 0 or peek(e) != c'=':
            return fail(e, e.at, EXPOSITION_LABEL)
        e.at += 1
        skip_spaces(e)
        if peek(e) != c'"':
            return fail(e, e.at, EXPOSITION_LABEL)
        return read_quoted(e, &out.value)


# -- values ----------------------------------------------------------------------------------------


cdef inline bint read_time_ms(exposition_t* e, int64_t* out_ms) noexcept nogil:
    """Text format: whole milliseconds. Negative ones are for the caller to judge."""
    cdef:
        const char* start = e.at
        bint negative = e.at[0] == c'-'
        uint64_t value
        Py_ssize_t n
    if negative:
        e.at += 1
    n = take_digits(e.at, e.end, &value)
    if n > TIME_DIGITS_MAX:
        while peek(e) == c'0':
            e.at += 1
        n = take_digits(e.at, e.end, &value)
    if n == 0 or n > TIME_DIGITS_MAX or value > <uint64_t> INT64_MAX:
        return fail(e, start, EXPOSITION_TIME)
    e.at += n
    out_ms[0] = -<int64_t> value if negative else <int64_t> value
    return True


cdef inline bint read_number(exposition_t* e, double* out, int error) noexcept nogil:
    """Reads a number and the blanks behind it."""
    cdef const char* stop = read_decimal(e.at, e.end, out)
    if stop == NULL:
        return fail(e, e.at, error)
    if stop < e.end and stop[0] != c' ' and stop[0] != c'\t' and stop[0] != c'\n' and stop[0] != c'\r':
        return fail(e, stop, error)
    e.at = stop
    skip_spaces(e)
    return True


cdef bint read_time_seconds(exposition_t* e, int64_t* out_ms) noexcept nogil:
    """OpenMetrics: seconds, as any number. The nearest millisecond is taken."""
    cdef const char* start = e.at
    cdef double seconds
    if not read_number(e, &seconds, EXPOSITION_TIME):
        return False
    # False for NaN too. Beyond 2^63 ms int64 ends.
    if not -9223372036854775.0 < seconds < 9223372036854775.0:
        return fail(e, start, EXPOSITION_TIME)
    out_ms[0] = llrint(seconds * 1e3)
    return True


cdef bint skip_exemplar(exposition_t* e) noexcept nogil:
    """OpenMetrics: # {labels} value [time]."""
    cdef label_t label
    cdef bint inside = False
    cdef double value
    cdef int64_t time_ms
    e.at += 1
    skip_spaces(e)
    if peek(e) != c'{':
        return fail(e, e.at, EXPOSITION_REST)
    while next_label(e, &inside, &label):
        pass
    skip_spaces(e)
    if e.error or not read_number(e, &value, EXPOSITION_VALUE):
        return False
    return e.at == e.end or e.at[0] == c'\n' or e.at[0] == c'\r' or read_time_seconds(e, &time_ms)


cdef bint read_sample(exposition_t* e, sample_t* out) noexcept nogil:
    cdef char first
    out.has_time = False
    out.time_ms = 0
    skip_spaces(e)
    if not read_number(e, &out.value, EXPOSITION_VALUE):
        return False
    first = peek(e)
    if is_digit(first) or first == c'-':
        out.has_time = True
        if e.openmetrics:
            if not read_time_seconds(e, &out.time_ms):
                return False
        elif not read_time_ms(e, &out.time_ms):
            return False
    if e.openmetrics and peek(e) == c'#' and not skip_exemplar(e):
        return False
    return end_line(e)


# -- doors -----------------------------------------------------------------------------------------


cdef int raise_error(const exposition_t* e, str what) except -1:
    cdef int64_t offset = offset_of(e, e.error_at)
    line = 1 + e.start[:offset].count(b"\n")
    raise ParseError(what, f"line {line}: {MESSAGES[e.error]}", offset)


cdef str text_of(span_t span):
    return span.ptr[:span.len].decode("utf-8")


cdef list read_all(exposition_t* e):
    cdef label_t label
    cdef sample_t sample
    cdef bint inside
    samples = []
    while next_sample(e):
        labels = []
        if peek(e) == c'{':
            inside = False
            while next_label(e, &inside, &label):
                labels.append((text_of(label.name), text_of(label.value)))
        if not read_sample(e, &sample):
            break
        time_ms = sample.time_ms if sample.has_time else None
        samples.append((text_of(e.name), tuple(labels), sample.value, time_ms))
    return samples


def parse_exposition(body not None, bint openmetrics=False):
    """Reads every sample of an exposition, in order: for tests, tools and people.

    `body` is bytes, or anything else with a contiguous buffer; it is not kept. Lines may end in CR LF.

    Returns a list of (name, labels, value, time): labels as pairs in the order of the text, the time in Unix
    milliseconds, None where the sample has none. OpenMetrics states times in seconds; the nearest millisecond is taken.

    Raises ParseError with line and offset at the first line that is not well-formed.
    """
    cdef exposition_t e
    cdef Py_buffer buffer
    cdef char* arena
    PyObject_GetBuffer(body, &buffer, PyBUF_SIMPLE)
    arena = NULL
    try:
        if buffer.len > EXPOSITION_MAX:
            raise ParseError("exposition", f"got {buffer.len} bytes, want at most {EXPOSITION_MAX}", EXPOSITION_MAX)
        arena = <char*> malloc(<size_t> buffer.len + 1)
        if arena == NULL:
            raise MemoryError()
        open_exposition(&e, <const char*> buffer.buf, <size_t> buffer.len, arena)
        e.openmetrics = openmetrics
        e.crlf = True
        samples = read_all(&e)
        if e.error:
            raise_error(&e, "exposition")
        return samples
    finally:
        free(arena)
        PyBuffer_Release(&buffer)
