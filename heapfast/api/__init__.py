"""Stage 8, REST: every family of routes on one Falcon app, hosted by uvicorn.

In      requests; the store, the indexes and a few callables, given to `app.create_app`
Out     answers, byte for byte as old clients know them
Callers daemon; tests drive the app in process
Source  spec/heapster-rest.md; deliberate differences: the B rows of its section 15
Never   reads the configuration, computes a number, or lays out a long answer: render/ does
"""
