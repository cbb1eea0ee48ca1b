"""Asking for a line of memory before it is read.

GCC takes a function that only asks for memory for one that does nothing, and drops the calls of it, whatever it asked
for: most of what _warm asked for never was, until the empty statement below, which GCC has to keep. Its count in the
binary is that of `prefetch` in `objdump -d`.
"""


cdef extern from *:
    """
    static inline void heapfast_prefetch(const void* address) {
    #if defined(__GNUC__)
        __builtin_prefetch(address);
        __asm__ volatile("" : : "r"(address));
    #else
        (void)address;
    #endif
    }
    """
    void prefetch "heapfast_prefetch"(const void* address) noexcept nogil
