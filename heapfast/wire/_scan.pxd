"""Loops over bytes, 16 or 8 at a time: blanks, strings, digits.

In      a pointer and the end of the body; nothing is read at or beyond the end
Out     where the run stops
Callers _cursor.pxd, _walk.pxd, _read.pxd, _text.pxd, _decimal.pxd, _exposition.pyx
Source  SSE2 where the compiler has it (every x86-64), else plain loops with the same results
Never   decides what a byte means to JSON beyond its class
"""
from heapfast._types cimport uint8_t, uint32_t, uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    #if defined(__SSE2__) && !defined(HEAPFAST_NO_SIMD)
    #include <emmintrin.h>

    static inline uint32_t heapfast_ink_mask(const char* at) {
        const __m128i b = _mm_loadu_si128((const __m128i*) at);
        const __m128i blank = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(b, _mm_set1_epi8(' ')), _mm_cmpeq_epi8(b, _mm_set1_epi8('\\n'))),
            _mm_or_si128(_mm_cmpeq_epi8(b, _mm_set1_epi8('\\r')), _mm_cmpeq_epi8(b, _mm_set1_epi8('\\t'))));
        return (uint32_t) _mm_movemask_epi8(blank) ^ 0xFFFFu;
    }

    static inline uint32_t heapfast_stop_mask(const char* at) {
        const __m128i b = _mm_loadu_si128((const __m128i*) at);
        /* An unsigned "less than 0x20" is "is its own minimum with 0x1F". */
        const __m128i stop = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(b, _mm_set1_epi8('"')), _mm_cmpeq_epi8(b, _mm_set1_epi8('\\\\'))),
            _mm_cmpeq_epi8(_mm_min_epu8(b, _mm_set1_epi8(0x1F)), b));
        return (uint32_t) _mm_movemask_epi8(stop);
    }

    static inline uint32_t heapfast_high_mask(const char* at) {
        return (uint32_t) _mm_movemask_epi8(_mm_loadu_si128((const __m128i*) at));
    }

    static inline uint32_t heapfast_same_mask(const char* a, const char* b) {
        return (uint32_t) _mm_movemask_epi8(
            _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i*) a), _mm_loadu_si128((const __m128i*) b)));
    }
    #else
    static inline uint32_t heapfast_ink_mask(const char* at) {
        uint32_t mask = 0;
        for (int i = 0; i < 16; i++)
            mask |= (uint32_t) (at[i] != ' ' && at[i] != '\\n' && at[i] != '\\r' && at[i] != '\\t') << i;
        return mask;
    }

    static inline uint32_t heapfast_stop_mask(const char* at) {
        uint32_t mask = 0;
        for (int i = 0; i < 16; i++)
            mask |= (uint32_t) (at[i] == '"' || at[i] == '\\\\' || (unsigned char) at[i] < 0x20) << i;
        return mask;
    }

    static inline uint32_t heapfast_high_mask(const char* at) {
        uint32_t mask = 0;
        for (int i = 0; i < 16; i++)
            mask |= (uint32_t) ((unsigned char) at[i] >> 7) << i;
        return mask;
    }

    static inline uint32_t heapfast_same_mask(const char* a, const char* b) {
        uint32_t mask = 0;
        for (int i = 0; i < 16; i++)
            mask |= (uint32_t) (a[i] == b[i]) << i;
        return mask;
    }
    #endif

    /* Eight bytes as a number whose lowest byte is the first, on any machine. */
    static inline uint64_t heapfast_load64(const char* at) {
        uint64_t word;
        memcpy(&word, at, 8);
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
    #endif
        return word;
    }

    static const uint64_t heapfast_power_of_10[9] = {
        1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    """
    # Bit i: byte i is no blank. Reads 16 bytes.
    uint32_t ink_mask "heapfast_ink_mask"(const char* at) noexcept nogil
    # Bit i: byte i ends or breaks a string: quote, backslash, control character. Reads 16 bytes.
    uint32_t stop_mask "heapfast_stop_mask"(const char* at) noexcept nogil
    # Bit i: byte i is 0x80 or more. Reads 16 bytes.
    uint32_t high_mask "heapfast_high_mask"(const char* at) noexcept nogil
    # Bit i: byte i is the same in both. Reads 16 bytes of each.
    uint32_t same_mask "heapfast_same_mask"(const char* a, const char* b) noexcept nogil
    uint64_t load64 "heapfast_load64"(const char* at) noexcept nogil
    const uint64_t* power_of_10 "heapfast_power_of_10"
    int lowest_bit "__builtin_ctz"(unsigned int mask) noexcept nogil
    int lowest_bit64 "__builtin_ctzll"(unsigned long long mask) noexcept nogil

cdef enum:
    BLOCK = 16                 # bytes that one mask covers


cdef inline const char* skip_blanks(const char* at, const char* end) noexcept nogil:
    cdef uint32_t ink
    # Compact documents have no blanks. Indented ones have one behind a colon, else a newline and a run of spaces.
    if at < end and <uint8_t> at[0] > 0x20:
        return at
    if end - at > 1 and at[0] == c' ' and <uint8_t> at[1] > 0x20:
        return at + 1
    while end - at >= BLOCK:
        ink = ink_mask(at)
        if ink:
            return at + lowest_bit(ink)
        at += BLOCK
    while at < end and (at[0] == c' ' or at[0] == c'\n' or at[0] == c'\r' or at[0] == c'\t'):
        at += 1
    return at


# First quote, backslash or control character, or `end`.
cdef inline const char* find_stop(const char* at, const char* end) noexcept nogil:
    cdef uint32_t stops
    while end - at >= BLOCK:
        stops = stop_mask(at)
        if stops:
            return at + lowest_bit(stops)
        at += BLOCK
    while at < end and <uint8_t> at[0] >= 0x20 and at[0] != c'"' and at[0] != c'\\':
        at += 1
    return at


# The same; *high says whether a byte of 0x80 and more comes before it, and stays as it is where none does.
cdef inline const char* find_stop_noting_high(const char* at, const char* end, bint* high) noexcept nogil:
    cdef uint32_t stops, highs
    while end - at >= BLOCK:
        stops = stop_mask(at)
        highs = high_mask(at)
        if stops:
            # Only what comes before the lowest bit that is set.
            if highs & ~stops & (stops - 1):
                high[0] = True
            return at + lowest_bit(stops)
        if highs:
            high[0] = True
        at += BLOCK
    while at < end and <uint8_t> at[0] >= 0x20 and at[0] != c'"' and at[0] != c'\\':
        if <uint8_t> at[0] >= 0x80:
            high[0] = True
        at += 1
    return at


# Eight digits as one number. The first digit, which counts most, is the lowest byte of `digits`; each byte is 0-9.
# Neighbours are joined to pairs, then pairs to fours and fours to eight in two multiplications:
#
#     byte      0  1  2  3  4  5  6  7
#     digits    1  2  3  4  5  6  7  8
#     pairs       12    34    56    78         pair * 10 + next, one byte each
#     result    12 * 10^6 + 34 * 10^4 + 56 * 10^2 + 78, in the upper half
cdef inline uint64_t join_digits(uint64_t digits) noexcept nogil:
    cdef uint64_t pairs = digits * 10 + (digits >> 8)
    cdef uint64_t every_other = 0x000000FF000000FF
    return ((pairs & every_other) * (100 + (<uint64_t> 1000000 << 32))
            + ((pairs >> 16) & every_other) * (1 + (<uint64_t> 10000 << 32))) >> 32


# Reads digits; returns how many. *value is right for up to 19 of them and wraps beyond.
cdef inline Py_ssize_t take_digits(const char* at, const char* end, uint64_t* value) noexcept nogil:
    cdef:
        const char* start = at
        uint64_t word, others, total = 0
        int n
    while end - at >= 8:
        # A digit becomes 0-9. Adding 0x76 lifts anything above 9 to 0x80 and more; what is there already stays.
        word = load64(at) ^ <uint64_t> 0x3030303030303030
        others = ((word + <uint64_t> 0x7676767676767676) | word) & <uint64_t> 0x8080808080808080
        if others == 0:
            total = total * power_of_10[8] + join_digits(word)
            at += 8
            continue
        n = lowest_bit64(others) >> 3
        if n:
            # Moving the digits up fills the front with leading zeros.
            total = total * power_of_10[n] + join_digits(word << (64 - 8 * n))
        value[0] = total
        return at + n - start
    while at < end and c'0' <= at[0] <= c'9':
        total = total * 10 + <uint64_t> (at[0] - c'0')
        at += 1
    value[0] = total
    return at - start
