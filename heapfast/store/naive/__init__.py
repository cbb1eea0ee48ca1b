"""The store and the pipeline once more, slow and plainly right: the oracle of the compiled ones.

In      the same calls as heapfast._core.Store, with rows as dicts (Rows.to_dicts())
Out     the same batches and series, as dicts
Callers tests, and whoever wants to read what the numbers mean; nothing that runs in the daemon
Source  spec/heapster-pipeline.md sections 1, 2, 5 and 6.1, with the decisions of the design on its quirks
Never   optimises anything
"""

from heapfast.store.naive.model import MetricSet
from heapfast.store.naive.store import NaiveBatch, NaiveStore

__all__ = ["MetricSet", "NaiveBatch", "NaiveStore"]
