"""The parts of an HTTP message; see _http.pyx."""


cdef bytes known_name(bytes name)
cdef str known_method(bytes name)
cdef bytes status_line(int status)
cdef bint is_name(bytes name) noexcept
cdef bint is_value(bytes value) noexcept
cpdef tuple split_target(bytes target)
