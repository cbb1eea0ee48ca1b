"""The side road to long memory: what was, asked of files or of somebody else's store.

In      questions about one time window (backend.py), from api
Out     samples, buckets and names, in chunks; or one of the HistoryErrors
Callers api asks, daemon builds the one backend that --historical-source names
Source  spec/heapster-rest.md 4.3, 4.4 and 8
Never   knows HTTP or JSON, or what Heapster's clients send: the query is parsed when it comes here

Read backend.py first: the protocol. Each other file is one backend.
"""
