"""Label and field selectors: Kubernetes' grammars, parsed into requirements that all must hold.

In      "app=web,tier in (front,back),!canary"; "metadata.name=web-0,metadata.namespace!=kube-system"
Out     Requirement tuples, or QueryError with the text Kubernetes gives
Callers api/metrics_v1alpha1.py, api/custom_metrics.py, the other parsers of this folder; config and daemon for choices
        by label; auth reads attributes with it; store/index.py evaluates requirements of labels
Source  spec/heapster-rest.md 9.3, spec/metrics-k8s-io.md 4.2, recorded `selector`, `bad-selector` and `fields` answers;
        plain twin: naive_selector.py
Never   sees an object's labels

A form may name 20,000 values, and while a thread reads them in Python the loop waits for the interpreter. So tokens and
values are spans of the text, checked, sorted and compared without it; what is well-formed becomes Python at the end,
and what is not goes to label_rules.py, which says all that is wrong.
"""
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memcmp

from heapfast._types cimport int64_t, uint64_t
from heapfast.store._values cimport read_int64

from heapfast.errors import QueryError
from heapfast.query.label_rules import check_key, check_value
from heapfast.store.requirement import Operator, Requirement

cdef enum:
    MAX_NAME_BYTES = 63
    MAX_PREFIX_BYTES = 253
    FIRST_VALUES = 64
    # What is shorter is read at once: on the loop, to take the interpreter back may cost a turn of a thread.
    HELD_BYTES = 8192

# Kinds of tokens; the others are the character that they are.
cdef enum:
    TOKEN_END = 0
    TOKEN_WORD = 1
    TOKEN_EQUALS = 2           # ==
    TOKEN_DIFFERS = 3          # !=

cdef enum scanned_t:
    SCANNED_OK
    SCANNED_NO_START
    SCANNED_NO_VALUE
    SCANNED_NO_COMMA
    SCANNED_NO_MEMORY

cdef object IN = Operator.IN
cdef object NOT_IN = Operator.NOT_IN
cdef object EXISTS = Operator.EXISTS
cdef object DOES_NOT_EXIST = Operator.DOES_NOT_EXIST
cdef object GREATER_THAN = Operator.GREATER_THAN
cdef object LESS_THAN = Operator.LESS_THAN
# What making a NamedTuple comes to, at a third of its price.
cdef object new_tuple = tuple.__new__


# Borrowed from the text that is parsed.
cdef struct span_t:
    const char* ptr
    Py_ssize_t len


cdef struct token_t:
    int kind
    span_t span


# The next token is always read already.
cdef struct lexer_t:
    const char* at
    const char* end
    token_t next


# Values of one condition. `prefix` is what tells most of them apart: 8 bytes behind what all have in common.
cdef struct value_t:
    uint64_t prefix
    span_t span


cdef struct values_t:
    value_t* item              # owned by who parses
    Py_ssize_t n, cap
    bint is_bad                # `worst` is no label value
    span_t worst               # of those that are none, the first in order


cdef inline bint is_alphanumeric(char c) noexcept nogil:
    return c"a" <= c <= c"z" or c"A" <= c <= c"Z" or c"0" <= c <= c"9"


cdef inline bint is_blank(char c) noexcept nogil:
    return c == c" " or c == c"\t" or c == c"\r" or c == c"\n"


# A NUL ends a word and the selector, as it does where these rules come from.
cdef inline bint ends_word(char c) noexcept nogil:
    return (
        is_blank(c) or c == 0 or c == c"," or c == c"(" or c == c")" or c == c"=" or c == c"!" or c == c">" or c == c"<"
    )


cdef void advance(lexer_t* lexer) noexcept nogil:
    """Reads one more token; the end stays the end, however often it is asked for."""
    cdef token_t* token = &lexer.next
    while lexer.at < lexer.end and is_blank(lexer.at[0]):
        lexer.at += 1
    token.span.ptr = lexer.at
    token.span.len = 0
    if lexer.at == lexer.end or lexer.at[0] == 0:
        token.kind = TOKEN_END
        return
    if not ends_word(lexer.at[0]):
        while lexer.at < lexer.end and not ends_word(lexer.at[0]):
            lexer.at += 1
        token.kind = TOKEN_WORD
    else:
        token.kind = lexer.at[0]
        lexer.at += 1
        if (token.kind == c"=" or token.kind == c"!") and lexer.at < lexer.end and lexer.at[0] == c"=":
            token.kind = TOKEN_EQUALS if token.kind == c"=" else TOKEN_DIFFERS
            lexer.at += 1
    token.span.len = lexer.at - token.span.ptr


cdef inline token_t take(lexer_t* lexer) noexcept nogil:
    cdef token_t token = lexer.next
    advance(lexer)
    return token


# -- what a label may be: label_rules.py, for those that are --


cdef bint is_name(const char* ptr, Py_ssize_t len) noexcept nogil:
    cdef Py_ssize_t i
    if len == 0 or len > MAX_NAME_BYTES or not is_alphanumeric(ptr[0]) or not is_alphanumeric(ptr[len - 1]):
        return False
    for i in range(len):
        if not (is_alphanumeric(ptr[i]) or ptr[i] == c"-" or ptr[i] == c"_" or ptr[i] == c"."):
            return False
    return True


cdef bint is_subdomain(const char* ptr, Py_ssize_t len) noexcept nogil:
    cdef Py_ssize_t i
    cdef bint is_inner, was_inner = False
    if len == 0 or len > MAX_PREFIX_BYTES:
        return False
    for i in range(len):
        is_inner = c"a" <= ptr[i] <= c"z" or c"0" <= ptr[i] <= c"9"
        # A hyphen stands between letters or hyphens, a dot between letters.
        if not is_inner:
            if ptr[i] == c"-":
                if i == 0 or ptr[i - 1] == c".":
                    return False
            elif ptr[i] != c"." or not was_inner:
                return False
        was_inner = is_inner
    return was_inner


cdef bint is_key(span_t span) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(span.len):
        if span.ptr[i] == c"/":
            return is_subdomain(span.ptr, i) and is_name(span.ptr + i + 1, span.len - i - 1)
    return is_name(span.ptr, span.len)


# -- the values of one condition --


cdef inline int compare(span_t a, span_t b) noexcept nogil:
    cdef int order = memcmp(a.ptr, b.ptr, min(a.len, b.len))
    return order if order != 0 else (a.len > b.len) - (a.len < b.len)


cdef int compare_values(const void* a, const void* b) noexcept nogil:
    cdef const value_t* one = <const value_t*>a
    cdef const value_t* other = <const value_t*>b
    if one.prefix != other.prefix:
        return -1 if one.prefix < other.prefix else 1
    return compare(one.span, other.span)


cdef scanned_t add_value(values_t* values, span_t span) noexcept nogil:
    cdef value_t* grown
    if span.len and not is_name(span.ptr, span.len):
        if not values.is_bad or compare(span, values.worst) < 0:
            values.worst = span
        values.is_bad = True
        return SCANNED_OK
    if values.n == values.cap:
        values.cap = 2 * values.cap if values.cap else FIRST_VALUES
        grown = <value_t*>realloc(values.item, values.cap * sizeof(value_t))
        if grown == NULL:
            return SCANNED_NO_MEMORY
        values.item = grown
    values.item[values.n].span = span
    values.n += 1
    return SCANNED_OK


cdef scanned_t scan_values(lexer_t* lexer, values_t* values, token_t* wrong) noexcept nogil:
    """Reads what stands between brackets, the closing one included; the opening one has been taken."""
    cdef bint expects_value = True
    cdef token_t token
    cdef scanned_t status
    wrong[0] = lexer.next
    if wrong.kind != TOKEN_WORD and wrong.kind != c"," and wrong.kind != c")":
        return SCANNED_NO_START
    while True:
        token = take(lexer)
        if token.kind == TOKEN_WORD and expects_value:
            status = add_value(values, token.span)
            expects_value = False
        elif token.kind == c"," or token.kind == c")":
            # Nothing before the bracket, or at a comma, is the empty value.
            token.span.len = 0
            status = add_value(values, token.span) if expects_value else SCANNED_OK
            if token.kind == c")":
                return status
            expects_value = True
        else:
            wrong[0] = token
            return SCANNED_NO_VALUE if expects_value else SCANNED_NO_COMMA
        if status != SCANNED_OK:
            return status


cdef void sort_values(values_t* values) noexcept nogil:
    """Sorts them, and leaves each once."""
    cdef span_t first
    cdef Py_ssize_t common, i, j, n_kept
    cdef value_t* item = values.item
    if values.n < 2:
        return
    first = item[0].span
    common = first.len
    for i in range(1, values.n):
        common = min(common, item[i].span.len)
        for j in range(common):
            if item[i].span.ptr[j] != first.ptr[j]:
                common = j
                break
    for i in range(values.n):
        item[i].prefix = 0
        for j in range(common, common + 8):
            item[i].prefix = item[i].prefix << 8
            if j < item[i].span.len:
                item[i].prefix |= <unsigned char>item[i].span.ptr[j]
    qsort(item, values.n, sizeof(value_t), &compare_values)
    n_kept = 1
    for i in range(1, values.n):
        if compare_values(&item[i], &item[n_kept - 1]) != 0:
            item[n_kept] = item[i]
            n_kept += 1
    values.n = n_kept


cdef scanned_t read_values(lexer_t* lexer, values_t* values, token_t* wrong) noexcept nogil:
    cdef scanned_t status = scan_values(lexer, values, wrong)
    if status == SCANNED_OK and not values.is_bad:
        sort_values(values)
    return status


# -- Python objects, and what is said of errors --


cdef span_t span_of(str text, bytes encoded):
    """The bytes of a text; of one that is not ASCII they are given. In their order is the order of its characters."""
    cdef span_t span
    if encoded is None:
        span.ptr = PyUnicode_AsUTF8AndSize(text, &span.len)
    else:
        span.ptr = encoded
        span.len = len(encoded)
    return span


cdef str text_of(span_t span):
    # Spans end at ASCII, so that none ends within a character; surrogates stand for bytes that were no UTF-8.
    return PyUnicode_DecodeUTF8(span.ptr, span.len, "surrogatepass")


cdef bint is_text(span_t span, const char* text, Py_ssize_t len) noexcept nogil:
    return span.len == len and memcmp(span.ptr, text, len) == 0


cdef tuple texts_of(const values_t* values):
    cdef tuple texts = PyTuple_New(values.n)
    cdef str text
    cdef Py_ssize_t i
    for i in range(values.n):
        text = text_of(values.item[i].span)
        Py_INCREF(text)
        PyTuple_SET_ITEM(texts, i, text)
    return texts


cdef tuple parse_values(lexer_t* lexer):
    cdef values_t values
    cdef scanned_t status
    cdef token_t token = take(lexer)
    if token.kind != c"(":
        raise QueryError(f"found '{text_of(token.span)}' expected: '('")
    values.item = NULL
    values.n = values.cap = 0
    values.is_bad = False
    try:
        if lexer.end - lexer.at < HELD_BYTES:
            status = read_values(lexer, &values, &token)
        else:
            with nogil:
                status = read_values(lexer, &values, &token)
        if status == SCANNED_NO_MEMORY:
            raise MemoryError
        if status == SCANNED_NO_START:
            raise QueryError(f"found '{text_of(token.span)}', expected: ',', ')' or identifier")
        if status == SCANNED_NO_VALUE:
            raise QueryError(f"found '{text_of(token.span)}', expected: ',', or identifier")
        if status == SCANNED_NO_COMMA:
            raise QueryError(f"found '{text_of(token.span)}', expected: ',' or ')'")
        if values.is_bad:
            check_value(text_of(values.worst))
        return texts_of(&values)
    finally:
        free(values.item)


cdef object parse_requirement(lexer_t* lexer):
    cdef bint is_negated = lexer.next.kind == c"!"
    cdef int64_t number
    cdef token_t token
    cdef span_t value
    cdef object operator
    if is_negated:
        advance(lexer)
    token = take(lexer)
    if token.kind != TOKEN_WORD:
        raise QueryError(f"found '{text_of(token.span)}', expected: identifier")
    cdef str key = text_of(token.span)
    if not is_key(token.span):
        check_key(key)
    # After `!key` nothing else is looked for: whoever called finds what does not belong there.
    if is_negated:
        return new_tuple(Requirement, (key, DOES_NOT_EXIST, ()))
    if lexer.next.kind == TOKEN_END or lexer.next.kind == c",":
        return new_tuple(Requirement, (key, EXISTS, ()))
    token = take(lexer)
    if token.kind == TOKEN_WORD:
        if is_text(token.span, b"in", 2):
            return new_tuple(Requirement, (key, IN, parse_values(lexer)))
        if is_text(token.span, b"notin", 5):
            return new_tuple(Requirement, (key, NOT_IN, parse_values(lexer)))
    if token.kind == c"=" or token.kind == TOKEN_EQUALS:
        operator = IN
    elif token.kind == TOKEN_DIFFERS:
        operator = NOT_IN
    elif token.kind == c">":
        operator = GREATER_THAN
    elif token.kind == c"<":
        operator = LESS_THAN
    else:
        raise QueryError(f"found '{text_of(token.span)}', expected: '=', '!=', '==', 'in', notin'")
    if lexer.next.kind == TOKEN_END or lexer.next.kind == c",":
        value = lexer.next.span
        value.len = 0
    elif lexer.next.kind != TOKEN_WORD:
        raise QueryError(f"found '{text_of(lexer.next.span)}', expected: identifier")
    else:
        value = take(lexer).span
    if (operator is GREATER_THAN or operator is LESS_THAN) and not read_int64(value.ptr, value.len, &number):
        raise QueryError("for 'Gt', 'Lt' operators, the value must be an integer")
    if value.len and not is_name(value.ptr, value.len):
        check_value(text_of(value))
    return new_tuple(Requirement, (key, operator, (text_of(value),)))


def parse_selector(str text not None) -> tuple:
    """Parse a selector; white space between tokens is free.

    Raises:
        QueryError: with the reason, without the selector in front.
    """
    cdef lexer_t lexer
    cdef token_t token
    cdef list requirements = []
    cdef bytes encoded = None if text.isascii() else text.encode("utf-8", "surrogatepass")
    cdef span_t whole = span_of(text, encoded)
    lexer.at = whole.ptr
    lexer.end = whole.ptr + whole.len
    advance(&lexer)
    while lexer.next.kind != TOKEN_END:
        if lexer.next.kind != TOKEN_WORD and lexer.next.kind != c"!":
            if requirements:
                raise QueryError(f"found '{text_of(lexer.next.span)}', expected: identifier after ','")
            raise QueryError(f"found '{text_of(lexer.next.span)}', expected: !, identifier, or 'end of string'")
        try:
            requirements.append(parse_requirement(&lexer))
        except QueryError as error:
            raise QueryError(f"unable to parse requirement: {error}") from error
        token = take(&lexer)
        if token.kind == TOKEN_END:
            break
        if token.kind != c",":
            raise QueryError(f"found '{text_of(token.span)}', expected: ',' or 'end of string'")
        if lexer.next.kind == TOKEN_END:
            raise QueryError("found '', expected: identifier after ','")
    return tuple(requirements)


# -- field selectors --


cdef str unescape(span_t value, char* out):
    """A value without the backslashes before `,`, `=` and others; there is room for all of it."""
    cdef Py_ssize_t i = 0, n = 0, n_escaped
    cdef span_t escaped
    while i < value.len:
        if value.ptr[i] == c"=":
            raise QueryError("invalid field selector: unescaped character in value: 61")
        if value.ptr[i] == c"\\":
            i += 1
            if i == value.len or not (value.ptr[i] == c"\\" or value.ptr[i] == c"," or value.ptr[i] == c"="):
                # A character may be several bytes: the first, and what does not begin another one.
                n_escaped = i < value.len
                while i + n_escaped < value.len and (value.ptr[i + n_escaped] & 0xC0) == 0x80:
                    n_escaped += 1
                escaped.ptr, escaped.len = value.ptr + i, n_escaped
                raise QueryError(f"invalid field selector: invalid escape sequence: \\{text_of(escaped)}")
        out[n] = value.ptr[i]
        n += 1
        i += 1
    return PyUnicode_DecodeUTF8(out, n, "surrogatepass")


cdef object parse_term(span_t term, char* out):
    """One requirement, None for a term that says nothing."""
    cdef Py_ssize_t i
    cdef span_t key, value
    cdef object operator
    operator = IN
    cdef str key_text, value_text
    # Longest first where one begins as another does; escapes count in values only.
    for i in range(term.len):
        key.len = i
        if term.ptr[i] == c"!" and i + 1 < term.len and term.ptr[i + 1] == c"=":
            operator = NOT_IN
            i += 2
            break
        if term.ptr[i] == c"=":
            i += 2 if i + 1 < term.len and term.ptr[i + 1] == c"=" else 1
            break
    else:
        raise QueryError(f"invalid selector: '{text_of(term)}'; can't understand '{text_of(term)}'")
    key.ptr = term.ptr
    value.ptr = term.ptr + i
    value.len = term.len - i
    key_text, value_text = text_of(key), unescape(value, out)
    # A lone "=" says nothing, and is taken for nothing.
    if not key_text and not value_text:
        return None
    return new_tuple(Requirement, (key_text, operator, (value_text,)))


def parse_field_selector(str text not None) -> tuple:
    """Parse a selector of fields; blanks count, terms that are empty do not.

    Returns:
        Requirements with Operator.IN or NOT_IN and one value each.

    Raises:
        QueryError: a term without an operator, or an escape or `=` that does not belong in a value.
    """
    cdef bytes encoded = None if text.isascii() else text.encode("utf-8", "surrogatepass")
    cdef span_t whole = span_of(text, encoded)
    cdef span_t term
    cdef Py_ssize_t start = 0, at = 0
    cdef list requirements = []
    cdef char* out = <char*>malloc(whole.len + 1)
    if out == NULL:
        raise MemoryError
    try:
        while start < whole.len:
            if at < whole.len and whole.ptr[at] != c",":
                at += 2 if whole.ptr[at] == c"\\" else 1
                continue
            term.ptr = whole.ptr + start
            term.len = min(at, whole.len) - start
            at += 1
            start = at
            if term.len:
                requirement = parse_term(term, out)
                if requirement is not None:
                    requirements.append(requirement)
    finally:
        free(out)
    return tuple(requirements)
