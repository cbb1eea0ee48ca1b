"""Stage 6, questions: what a request asks for, parsed and checked.

In      decoded query parameters
Out     a time window, a set of labels, a selector; or QueryError with the text the client gets
Callers api, config, render/mean_items.py; store/index.py evaluates selectors
Source  spec/heapster-rest.md sections 3 and 9.3
Never   answers a question: the store does, and render/ writes it
"""
