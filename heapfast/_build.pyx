"""Which row of setup.py's BUILD_ROWS this process runs.

In      the macro that setup.py sets at build time
Out     BUILD_ROW: "release", "debug", "coverage" or "sanitize"
Callers cli (`heapfast --version`), bench
"""

cdef extern from *:
    const char* HEAPFAST_BUILD_ROW

BUILD_ROW = HEAPFAST_BUILD_ROW.decode("ascii")
