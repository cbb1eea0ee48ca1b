"""Which route a path means: Heapster's two routers, one behind the other, as one Falcon router.

In      the decoded path, the raw path where it has escapes
Out     method map and path parameters
Callers Falcon, for each request; routes.py adds the routes
Source  spec/heapster-rest.md 1.2 and 1.3; B18: %2F stays inside a container's name
Never   looks at methods or headers
"""

from __future__ import annotations

import html
import posixpath
import re
from typing import Any, Final
from urllib.parse import quote, unquote

import falcon.asgi

from heapfast.api.errors import BAD_REQUEST, MUX_NOT_FOUND, NOT_FOUND
from heapfast.api.params import BAD_ESCAPE
from heapfast.api.request import Request
from heapfast.api.responders import MethodMap, Responders, plain, plain_failure, put_plain
from heapfast.api.tree import RouteTree

_ENCODED_SLASH = re.compile(rb"%2[Ff]")
#: What Go leaves as it is when it writes a path into a URL.
_PATH_SAFE = "/$&+,:;=@~-_."

#: Segments after which a container's name comes.
_BEFORE_CONTAINER: Final = ("containers", "freecontainers")

#: What Falcon's `find` gives: resource, method map, parameters, template.
Found = tuple[object, MethodMap, dict[str, str], str | None]


class Router:
    """Falcon's router interface over the tree.

    Exact paths, such as /healthz, win over the tree and have no trailing slash.
    """

    def __init__(self, responders: Responders) -> None:
        self._tree = RouteTree()
        self._exact: dict[str, MethodMap] = {}
        self._mux_not_found = plain_failure(404, MUX_NOT_FOUND)
        self._bad_request = plain_failure(400, BAD_REQUEST)
        self._not_found = responders.failing(404, NOT_FOUND)

    def add_exact(self, path: str, methods: MethodMap) -> None:
        """Add a path that is looked up as it stands."""
        self._exact[path] = methods

    def add_prefix(self, path: str) -> None:
        """Add a path below which an unknown route is go-restful's 404, not the outer one."""
        self._tree.add_prefix(path)

    def add_slash(self, path: str) -> None:
        """Redirect a path without its trailing slash to the one with it."""
        self._exact[path] = plain(_redirect(f"{path}/"))

    def add(self, template: str, methods: MethodMap) -> None:
        """Add a route: literals, `{name}` for one segment, `{name:*}` at the end for one or more."""
        self._tree.add(template, methods)

    def add_route(self, uri_template: str, resource: object, **more: Any) -> None:
        """Refuse: routes come from routes.py alone."""
        raise NotImplementedError("BUG: add routes by api/routes.py, not by App.add_route")

    def find(self, uri: str, req: Request) -> Found:
        """Find the route of a path; one that nobody answers gets a 404, 400 or 301 of its own."""
        raw: bytes = req.scope.get("raw_path") or b""
        if b"%" in raw and BAD_ESCAPE.search(raw):
            return self, self._bad_request, {}, None
        exact = self._exact.get(uri)
        if exact is not None:
            return self, exact, {}, uri
        if not uri.startswith("/"):
            return self, self._bad_request, {}, None
        if "//" in uri or "/." in uri:
            clean = _clean(uri)
            if clean != uri:
                return self, plain(_redirect(clean)), {}, None
        if b"%2" in raw and _ENCODED_SLASH.search(raw):
            found = self._walk(_segments_with_slashes(raw))
            if found[3] is not None:
                return found
        return self._walk(uri.strip("/").split("/"))

    def _walk(self, segments: list[str]) -> Found:
        match = self._tree.find(segments)
        if match.methods is None:
            return self, self._not_found if match.is_known else self._mux_not_found, {}, None
        return self, match.methods, match.params, match.template


def _clean(path: str) -> str:
    clean = posixpath.normpath(path)
    # normpath keeps two leading slashes, which mean something to POSIX but not to HTTP.
    clean = f"/{clean.lstrip('/')}"
    return f"{clean}/" if path.endswith("/") and clean != "/" else clean


def _redirect(path: str) -> Any:
    async def redirect(req: Request, resp: falcon.asgi.Response, **params: str) -> None:
        location = quote(path, safe=_PATH_SAFE)
        if req.raw_query:
            location = f"{location}?{req.raw_query.decode('latin-1')}"
        resp.status = 301
        resp.set_header("location", location)
        if req.method in ("GET", "HEAD"):
            body = f'<a href="{html.escape(location)}">Moved Permanently</a>.\n\n'
            put_plain(resp, 301, body.encode("latin-1"), content_type="text/html; charset=utf-8")

    return redirect


# As the decoded path, but an encoded slash stays inside the segment behind `containers` and `freecontainers`.
def _segments_with_slashes(raw: bytes) -> list[str]:
    segments: list[str] = []
    for part in raw.decode("latin-1").strip("/").split("/"):
        decoded = unquote(part)
        if segments and segments[-1] in _BEFORE_CONTAINER:
            segments.append(decoded)
        else:
            segments.extend(decoded.split("/"))
    return segments
