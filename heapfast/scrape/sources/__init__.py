"""One adapter for each kind of answer: what to ask a target for, and how to read what it says.

In      a target and a window; later a body
Out     request bytes; rows, through the parsers of heapfast.wire
Callers _round.pyx
Source  source.py has the protocol that every adapter follows; copying one file starts the next
Never   opens a connection
"""
