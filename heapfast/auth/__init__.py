"""Who may ask: client certificates, as Heapster checked them.

In      the peer's certificate, the clock
Out     nothing, or AuthError
Callers api/app.py puts the middleware in front of every route
Source  spec/heapster-rest.md 11.5; B9, B10
Never   opens a socket: the handshake, and with it the check of the chain, is the host's
"""
