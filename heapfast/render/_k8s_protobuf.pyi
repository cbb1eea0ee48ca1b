from heapfast._latest import Latest
from heapfast.render._k8s_items import Items
from heapfast.render._roster import Roster

class ProtobufItems(Items):
    def __init__(self, latest: Latest, roster: Roster, now_ns: int, content: int) -> None: ...
