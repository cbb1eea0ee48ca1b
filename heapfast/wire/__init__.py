"""Stage 3, bytes -> rows: compiled parsers of what targets answer, all without the GIL.

In      one body, whole
Out     Rows: C structs that borrow their text from the body
Callers scrape sources, which hand the rows to the store; `heapfast parse`
Source  spec/heapster-pipeline.md 3.5 and 3.6
Never   fails for one bad value: it is counted and left out. Start with _summary.pyx; _walk.pxd says how it reads
"""
