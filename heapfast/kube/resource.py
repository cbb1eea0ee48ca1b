"""What a Reflector needs to know of a kind of object: where it is and how it becomes plain data.

In      a path of the API server, the struct of its JSON, the function that reads the struct
Out     Resource; keys of objects as text
Callers nodes, pods, namespaces and auth_config make one each; watch uses them
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import msgspec

from heapfast.kube.objects import ObjectIdentity


class PlainData(Protocol):
    """What a Resource's `read` gives.

    Attributes:
        key: "name", or "namespace/name" for what lives in namespaces.
        faults: members that could not be read; each is a sentence for the log.
    """

    @property
    def key(self) -> str: ...

    @property
    def faults(self) -> tuple[str, ...]: ...


ObjectT = TypeVar("ObjectT")
PlainT = TypeVar("PlainT", bound=PlainData)


class Resource(Generic[ObjectT, PlainT]):
    """One kind of object.

    Attributes:
        name: in metrics and logs, such as "pods".
        path: of its list and watch, without the server.
    """

    def __init__(self, name: str, path: str, struct: type[ObjectT], read: Callable[[ObjectT], PlainT]) -> None:
        self.name = name
        self.path = path
        self._decoder = msgspec.json.Decoder(struct)
        self._read = read

    def decode(self, raw: msgspec.Raw | bytes) -> PlainT:
        """Turn one object's JSON into plain data.

        Raises:
            ValueError: a member that is needed is missing or (as msgspec.DecodeError) of the wrong type.
        """
        return self._read(self._decoder.decode(raw))


def identity_key(identity: ObjectIdentity) -> str | None:
    """The key that an object has or would have; None when it does not even state its name."""
    if not identity.name:
        return None
    return f"{identity.namespace}/{identity.name}" if identity.namespace else identity.name
