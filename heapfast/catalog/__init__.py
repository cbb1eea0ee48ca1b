"""The words of the field: names, types and units of metrics, kinds of entities and their keys.

In      nothing; these are tables
Out     constants
Callers every folder above
Source  spec/heapster-pipeline.md 1 and 2
Never   computes anything; _types.pxd has the same numbering for compiled code
"""
