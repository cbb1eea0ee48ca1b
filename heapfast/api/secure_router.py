"""Which route a path on the secure port means.

In      the decoded path, the raw path where it has escapes
Out     method map and path parameters
Callers Falcon, for each request; secure_routes.py adds the routes
Source  spec/metrics-k8s-io.md section 1
Never   cleans a path: `//` is an empty segment, `.` and `..` are names
"""

from __future__ import annotations

from typing import Any

from heapfast.api.errors import BAD_REQUEST
from heapfast.api.kubernetes_errors import no_such_route
from heapfast.api.kubernetes_responders import KubernetesResponders
from heapfast.api.params import BAD_ESCAPE
from heapfast.api.request import Request
from heapfast.api.responders import MethodMap, plain_failure
from heapfast.api.router import Found
from heapfast.api.tree import RouteTree


class SecureRouter:
    """Falcon's router interface: exact paths first, then what is below a prefix, then one answer for all others."""

    def __init__(self, responders: KubernetesResponders) -> None:
        self._exact: dict[str, MethodMap] = {}
        self._below: list[tuple[str, MethodMap]] = []
        self._prefixes: list[str] = []
        self._tree = RouteTree()
        self._bad_request = plain_failure(400, BAD_REQUEST)
        self._no_such_route = responders.failing(no_such_route)
        self._otherwise = self._bad_request

    def add_exact(self, path: str, methods: MethodMap) -> None:
        """Add a path that is looked up as it stands."""
        self._exact[path] = methods

    def add_below(self, prefix: str, methods: MethodMap) -> None:
        """Add the answer of every path that begins so and is not exact."""
        self._below.append((prefix, methods))

    def add_prefix(self, path: str) -> None:
        """Add a path at and below which the tree is asked, with slashes at the end or without."""
        self._prefixes.append(path)

    def add(self, template: str, methods: MethodMap) -> None:
        """Add a route of the tree."""
        self._tree.add(template, methods)

    def add_otherwise(self, methods: MethodMap) -> None:
        """Set the answer of every other path."""
        self._otherwise = methods

    def add_route(self, uri_template: str, resource: object, **more: Any) -> None:
        """Refuse: routes come from secure_routes.py alone."""
        raise NotImplementedError("BUG: add routes by api/secure_routes.py, not by App.add_route")

    def find(self, uri: str, req: Request) -> Found:
        """Find the route of a path; there is always one."""
        raw: bytes = req.scope.get("raw_path") or b""
        if b"%" in raw and BAD_ESCAPE.search(raw):
            return self, self._bad_request, {}, None
        # Not `uri`, which Falcon may have stripped of a slash.
        path: str = req.scope["path"]
        exact = self._exact.get(path)
        if exact is not None:
            return self, exact, {}, path
        for prefix in self._prefixes:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                match = self._tree.find(path[1:].rstrip("/").split("/"))
                if match.methods is None:
                    return self, self._no_such_route, {}, None
                return self, match.methods, match.params, match.template
        for prefix, methods in self._below:
            if path.startswith(prefix):
                return self, methods, {}, None
        return self, self._otherwise, {}, None
