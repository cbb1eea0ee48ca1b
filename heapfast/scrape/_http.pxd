"""The fields of the client and its connections (see _http.pyx)."""
from heapfast.scrape._deadlines cimport Deadlines
from heapfast.scrape._openssl cimport OpenSsl
from heapfast.scrape._response cimport ResponseReader
from heapfast.scrape._stream cimport Buffer, Owner, Stream


cdef class KubeletClient:
    cdef:
        readonly object loop
        readonly object limits
        readonly Deadlines deadlines
        readonly str scheme
        double _connect_seconds        # of the limits
        double _first_byte_seconds
        double _total_seconds
        object _token                  # gives the bearer token; None for none
        object _last_token             # that it gave, and
        bytes _authorization           # the header line made of it
        object _tls                    # None asks without
        OpenSsl _openssl               # None where its functions are not known
        Buffer _buffer                 # of all streams

    cdef bytes authorization(self, str label)
    cdef Stream make_stream(self, Connection connection, str ip)


cdef class Connection(Owner):
    cdef:
        readonly double due            # the loop's time at which the request in flight has taken too long
        double _total_due              # the last moment that `due` can be put off to
        double _total_seconds
        KubeletClient _client
        Stream _stream                 # None before the first request, and once it is known to be of no use
        ResponseReader _reader
        object _on_done                # of the request in flight; None for none
        bytes _message                 # that request
        bint _is_kept                  # the stream has carried an answer, and none of this request's has come yet
        bint _is_connecting
        str _label
        object _opening                # the task that connects
        str _ip
        int _port

    cdef int _open(self, double now) except -1
    cdef int _send(self, double now) except -1
    cdef int _take_answer(self) except -1
    cdef int _fail(self, error) except -1
    cpdef _finish(self, bytes body, error)
    cdef int _drop(self) except -1
