"""Who may ask: two rules, of which a daemon runs one.

In      a request's headers and its connection's certificate; what the API server says about both; the clock
Out     a user that may, or AuthError
Callers the REST side, in front of every route
Source  client_cert.py, Heapster's: spec/heapster-rest.md 11.5, B9, B10.
        chain.py and all it uses, metrics-server's: spec/metrics-k8s-io.md 11
Never   opens a socket, knows of HTTP statuses (but for Heapster's middleware), or shows a secret

Read chain.py first: it puts the authenticators in their order and asks the authorizer.
"""
