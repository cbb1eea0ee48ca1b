"""The Prometheus text format, read line by line: what a parser of it cimports.

In      a body, whole in memory; it need not end in NUL or in a newline
Out     one sample at a time: its name, its labels one by one, its value and its time
Callers _resource.pyx; parse_exposition of _exposition.pyx
Source  text format 0.0.4 as Prometheus' own lexer takes it (spec/metrics-k8s-io.md 15), and OpenMetrics 1.0
Never   reads at or beyond `end`, or stops half-way: the first error moves the cursor to the end, so that every loop
        over it finishes by itself and only the door has to look

    while next_sample(e):                       # name; comments and empty lines are passed over
        if e.at is on a brace:
            inside = False
            while next_label(e, &inside, &label): ...
        if not read_sample(e, &sample): break   # value, time, end of the line

Between next_sample and read_sample a caller who knows the text of all the labels may step over it by itself.
"""
from heapfast._types cimport int64_t, span_t, uint32_t


cdef enum exposition_error_t:
    EXPOSITION_OK = 0
    EXPOSITION_NAME = 1        # a line that starts neither with a name nor with "#" nor with labels
    EXPOSITION_LABEL = 2       # labels that are not name="value", ...
    EXPOSITION_QUOTE = 3       # a line that ends inside quotes
    EXPOSITION_VALUE = 4       # no number where the value should be, or one that is no double
    EXPOSITION_TIME = 5        # a time that is not one
    EXPOSITION_REST = 6        # more than a value and a time
    EXPOSITION_TYPE = 7        # "# TYPE" without a name, or of no known type
    EXPOSITION_TEXT = 8        # NUL, or no UTF-8
    EXPOSITION_EOF = 9         # OpenMetrics only: "# EOF" lacks, or is not the end

cdef enum:
    N_WORDS = 4                # names of labels that are remembered; a power of two

cdef struct exposition_t:
    const char* start          # borrowed from the caller, as are `at` and `end`
    const char* at
    const char* end
    const char* error_at       # where the first error is
    int error                  # EXPOSITION_*
    char* arena                # borrowed: where the next text with escapes undone goes; never longer than the body
    span_t name                # of the sample at hand; in the body or in the arena, as all text
    span_t bare                # the last name that stood outside quotes: most lines begin as the one before
    span_t[N_WORDS] word       # names of labels that stood outside quotes, by their place in the line before
    uint32_t n_labels          # the place of the next one
    bint openmetrics           # OpenMetrics: times are seconds, there may be exemplars, and "# EOF" is the last line
    bint crlf                  # lines may end in CR LF
    bint ended                 # "# EOF" of OpenMetrics was there

cdef struct label_t:
    span_t name
    span_t value

cdef struct sample_t:
    double value
    bint has_time
    int64_t time_ms            # Unix ms; 0 when there is none


# Where a byte of the body stands, as errors say it.
cdef inline int64_t offset_of(const exposition_t* e, const char* at) noexcept nogil:
    return at - e.start


# `arena` has room for `size` bytes.
cdef void open_exposition(exposition_t* e, const char* text, size_t size, char* arena) noexcept nogil
# The cursor is on the brace or on the value then; in the former case the name may come with the labels, and is empty.
cdef bint next_sample(exposition_t* e) noexcept nogil
# The first call of a sample has `inside` False. False: behind the closing brace, or an error.
cdef bint next_label(exposition_t* e, bint* inside, label_t* out) noexcept nogil
# The cursor is on the next line then.
cdef bint read_sample(exposition_t* e, sample_t* out) noexcept nogil
# Raises ParseError for the error of `e`; `what` says what could not be parsed.
cdef int raise_error(const exposition_t* e, str what) except -1
