"""Batches out: each closed batch goes to every sink of --sink, rendered by compiled writers.

In      closed batches, from the pipeline; URIs in Heapster's grammar
Out     payloads: lines, JSON, protobuf, over TCP, UDP and HTTP
Callers config reads URIs with kinds.py, daemon starts the manager, pipeline hands it each batch
Source  spec/heapster-pipeline.md 6.2, 6.3 and 7
Never   costs the tick: payloads are rendered in threads, and a slow sink drops its own oldest batches, counted
"""
