"""Stage 8, REST: two Falcon apps, Heapster's port and the secure port, hosted by uvicorn.

In      requests; the store, the indexes and a few callables, given to create_app and create_secure_app
Out     answers, byte for byte as old clients know them
Callers daemon and secure_port.py; tests drive the apps in process
Source  spec/heapster-rest.md, deliberate differences: the B rows of its section 15; spec/metrics-k8s-io.md
Never   reads the configuration, computes a number, or lays out a long answer: render/ does
"""
