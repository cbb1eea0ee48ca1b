from heapfast._batch import Batch
from heapfast.sinks._walk import BatchWriter

class LogWriter(BatchWriter):
    def __init__(self, batch: Batch) -> None: ...
