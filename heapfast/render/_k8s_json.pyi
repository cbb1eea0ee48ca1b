from heapfast._latest import Latest
from heapfast.render._k8s_items import Items
from heapfast.render._roster import Roster

class JsonItems(Items):
    def __init__(
        self, latest: Latest, roster: Roster, now_ns: int, type_meta: bytes, content: int, is_row: bool
    ) -> None: ...
