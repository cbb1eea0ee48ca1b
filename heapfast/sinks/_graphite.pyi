from heapfast._batch import Batch
from heapfast.sinks._walk import BatchWriter

class GraphiteWriter(BatchWriter):
    def __init__(self, batch: Batch, prefix: bytes) -> None: ...
