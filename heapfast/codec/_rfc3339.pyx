"""RFC 3339 times as Unix nanoseconds, both directions.

In      text such as 2017-12-11T10:00:03.25+01:00, or int64 nanoseconds and a zone's offset
Out     int64 nanoseconds, or text as Go's RFC3339Nano writes it: no trailing zeros, Z for UTC
Callers wire parsers (without the GIL), scrape/sources/cadvisor.py, render, api; time_zero() <-> 0001-01-01T00:00:00Z
Source  RFC 3339 section 5.6, with upper case T and Z only, as kubelets write and Go reads
Never   knows of named zones or leap seconds
"""
from heapfast._types cimport int32_t, int64_t, time_zero, uint32_t

from heapfast.errors import ParseError

cdef enum:
    NS_PER_SECOND = 1_000_000_000
    SECONDS_PER_DAY = 86_400
    DAYS_TO_1970 = 719_468        # from 0000-03-01: a year that starts in March ends with the leap day
    DAYS_PER_ERA = 146_097        # 400 years, after which the calendar repeats
    OFFSET_MAX = 86_340           # 23:59

cdef int64_t YEAR_ONE_SECONDS = -62_135_596_800
# The whole seconds that int64 nanoseconds hold, whatever the fraction.
cdef int64_t FIRST_SECOND = -9_223_372_036
cdef int64_t LAST_SECOND = 9_223_372_035


cdef inline uint32_t digit(const char* at, bint* bad) noexcept nogil:
    cdef uint32_t value = <uint32_t> (<unsigned char> at[0] - 48)
    if value > 9:
        bad[0] = True
    return value


cdef inline uint32_t two_digits(const char* at, bint* bad) noexcept nogil:
    return digit(at, bad) * 10 + digit(at + 1, bad)


cdef inline uint32_t days_in_month(uint32_t year, uint32_t month) noexcept nogil:
    if month == 2:
        return 29 if (year % 4 == 0 and year % 100 != 0) or year % 400 == 0 else 28
    if month == 4 or month == 6 or month == 9 or month == 11:
        return 30
    return 31


cdef inline int64_t days_since_1970(uint32_t year, uint32_t month, uint32_t day) noexcept nogil:
    # Months count from March, so that every month before the current one has its full length.
    cdef int64_t y = <int64_t> year - (1 if month <= 2 else 0)
    cdef int64_t m = <int64_t> month + (9 if month <= 2 else -3)
    # The divisions round to zero or down, by build row, in January and February of year 0 only: out of range anyway.
    return 365 * y + y // 4 - y // 100 + y // 400 + (153 * m + 2) // 5 + <int64_t> day - 1 - DAYS_TO_1970


cdef bint parse_rfc3339(const char* text, Py_ssize_t size, int64_t* out_ns) noexcept nogil:
    cdef:
        bint bad = False
        uint32_t year, month, day, hour, minute, second, nanos = 0, zone_hour, zone_minute, scale
        Py_ssize_t at = 19
        int64_t seconds, offset = 0
    if size < 20:
        return False
    if text[4] != c'-' or text[7] != c'-' or text[10] != c'T' or text[13] != c':' or text[16] != c':':
        return False
    year = two_digits(text, &bad) * 100 + two_digits(text + 2, &bad)
    month = two_digits(text + 5, &bad)
    day = two_digits(text + 8, &bad)
    hour = two_digits(text + 11, &bad)
    minute = two_digits(text + 14, &bad)
    second = two_digits(text + 17, &bad)
    if bad or month - 1 > 11 or hour > 23 or minute > 59 or second > 59:
        return False
    if day - 1 >= 28 and (day == 0 or day > days_in_month(year, month)):
        return False

    if text[at] == c'.':
        at += 1
        scale = NS_PER_SECOND // 10
        if at >= size or not c'0' <= text[at] <= c'9':
            return False
        while at < size and c'0' <= text[at] <= c'9':
            # Digits after the ninth are below a nanosecond: scale is 0 by then.
            nanos += scale * <uint32_t> (text[at] - c'0')
            scale //= 10
            at += 1
        if at == size:
            return False

    if text[at] == c'Z':
        if at + 1 != size:
            return False
    elif text[at] == c'+' or text[at] == c'-':
        if at + 6 != size or text[at + 3] != c':':
            return False
        zone_hour = two_digits(text + at + 1, &bad)
        zone_minute = two_digits(text + at + 4, &bad)
        if bad or zone_hour > 23 or zone_minute > 59:
            return False
        offset = <int64_t> zone_hour * 3600 + <int64_t> zone_minute * 60
        if text[at] == c'-':
            offset = -offset
    else:
        return False

    seconds = days_since_1970(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset
    if seconds == YEAR_ONE_SECONDS and nanos == 0:
        out_ns[0] = time_zero()
        return True
    if seconds < FIRST_SECOND or seconds > LAST_SECOND:
        return False
    out_ns[0] = seconds * NS_PER_SECOND + nanos
    return True


cdef inline char* put_digits(char* out, uint32_t value, int width) noexcept nogil:
    cdef int i
    for i in range(width - 1, -1, -1):
        out[i] = <char> (c'0' + value % 10)
        value //= 10
    return out + width


cdef inline int64_t floor_div(int64_t a, int64_t b) noexcept nogil:
    # `//` on C integers rounds towards zero in release builds (cdivision); times before 1970 need the floor.
    # Only such a division leaves a negative rest; quotient * b would overflow for the least int64.
    return a // b - 1 if a % b < 0 else a // b


cdef int format_rfc3339(int64_t time_ns, int32_t offset_seconds, char* out) noexcept nogil:
    cdef:
        char* at = out
        int64_t seconds, days, era
        uint32_t nanos, second_of_day, day_of_era, year_of_era, day_of_year, month_from_march, month, width
        int64_t year
        uint32_t offset_minutes
    if time_ns == time_zero():
        seconds = YEAR_ONE_SECONDS
        nanos = 0
        offset_seconds = 0
    else:
        seconds = floor_div(time_ns, NS_PER_SECOND)
        nanos = <uint32_t> (time_ns - seconds * NS_PER_SECOND)
        seconds += offset_seconds

    days = floor_div(seconds, SECONDS_PER_DAY)
    second_of_day = <uint32_t> (seconds - days * SECONDS_PER_DAY)
    days += DAYS_TO_1970
    era = floor_div(days, DAYS_PER_ERA)
    day_of_era = <uint32_t> (days - era * DAYS_PER_ERA)
    # Take out the leap days (every 1460 days, not every 36524, again the last of 400 years): years are then 365 days.
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    year = era * 400 + year_of_era + (1 if month <= 2 else 0)

    at = put_digits(at, <uint32_t> year, 4)
    at[0] = c'-'
    at = put_digits(at + 1, month, 2)
    at[0] = c'-'
    at = put_digits(at + 1, day_of_year - (153 * month_from_march + 2) // 5 + 1, 2)
    at[0] = c'T'
    at = put_digits(at + 1, second_of_day // 3600, 2)
    at[0] = c':'
    at = put_digits(at + 1, second_of_day // 60 % 60, 2)
    at[0] = c':'
    at = put_digits(at + 1, second_of_day % 60, 2)
    if nanos:
        width = 9
        while nanos % 10 == 0:
            nanos //= 10
            width -= 1
        at[0] = c'.'
        at = put_digits(at + 1, nanos, width)
    if offset_seconds == 0:
        at[0] = c'Z'
        return <int> (at + 1 - out)
    at[0] = c'-' if offset_seconds < 0 else c'+'
    offset_minutes = <uint32_t> (-offset_seconds if offset_seconds < 0 else offset_seconds) // 60
    at = put_digits(at + 1, offset_minutes // 60, 2)
    at[0] = c':'
    at = put_digits(at + 1, offset_minutes % 60, 2)
    return <int> (at - out)


def parse_time(str text not None):
    """Reads an RFC 3339 time as Unix nanoseconds.

    Raises ParseError for anything else, and for a time that int64 nanoseconds cannot hold (before 1677 or after
    2262). The one exception is 0001-01-01T00:00:00Z, Go's "no time": it becomes the wrapped number that Heapster
    calculates with (spec/heapster-pipeline.md N8). Digits below a nanosecond are cut.
    """
    cdef bytes raw = text.encode("utf-8")
    cdef int64_t time_ns = 0
    if not parse_rfc3339(raw, len(raw), &time_ns):
        raise ParseError("time", f"got {text!r}, want RFC 3339 between the years 1677 and 2262", 0)
    return time_ns


def format_time(int64_t time_ns, int32_t offset_seconds=0):
    """Writes Unix nanoseconds as RFC 3339, without needless zeros.

    `offset_seconds` east of UTC is the zone to show, less than a day; its odd seconds are not printed.
    """
    cdef char[RFC3339_MAX] text
    if not -OFFSET_MAX <= offset_seconds <= OFFSET_MAX:
        raise ValueError(f"cannot format a time: got an offset of {offset_seconds} s, want less than a day")
    return text[:format_rfc3339(time_ns, offset_seconds, text)].decode("ascii")
