from heapfast._batch import Batch
from heapfast.sinks._walk import BatchWriter

def escaped(text: str, signs: str) -> bytes: ...

class InfluxDbWriter(BatchWriter):
    def __init__(
        self,
        batch: Batch,
        *,
        cluster_name: str,
        with_fields: bool = ...,
        skip_counters: bool = ...,
        shard: str = ...,
    ) -> None: ...
