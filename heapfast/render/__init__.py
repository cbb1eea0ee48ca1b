"""Stage 7, answers as bytes: from the store and its batches to JSON, with no objects in between.

In      closed batches, the store's series, sorted slots
Out     bytes, or chunks of bytes, in the layouts that clients of Heapster know
Callers api
Source  spec/heapster-rest.md sections 2, 6 and 9
Never   knows of HTTP; the compiled modules work without the GIL wherever they only read a batch
"""
