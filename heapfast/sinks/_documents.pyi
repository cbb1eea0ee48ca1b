from collections.abc import Sequence

from heapfast._batch import Batch
from heapfast.sinks._walk import BatchWriter

FAMILIES: tuple[str, ...]

class KafkaWriter(BatchWriter):
    def __init__(self, batch: Batch) -> None: ...

class OpentsdbWriter(BatchWriter):
    def __init__(self, batch: Batch, cluster: str) -> None: ...

class ElasticsearchWriter(BatchWriter):
    def __init__(self, batch: Batch, cluster_name: str, types: Sequence[str]) -> None: ...
