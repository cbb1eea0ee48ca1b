"""What a request asks of /apis/heapfast/v1/query: in its URL, in a form that is posted, or in both.

In      a request
Out     Question; or QueryError, KubernetesError or ClientGone
Callers query.py
Source  docs/query.md, which is ours; forms as browsers and `curl -d` post them, and as Prometheus takes them
Never   lets a body say again what the URL says: whoever gave permission has seen the URL alone
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from heapfast.api.kubernetes_errors import method_not_allowed, unsupported_media_type
from heapfast.api.params import BAD_ESCAPE, parse_query
from heapfast.api.query_limits import BeyondLimit
from heapfast.api.request import Request
from heapfast.errors import QueryError
from heapfast.query.question import COMMON, Question, parse_question
from heapfast.query.quoting import quote

FORM: Final = "application/x-www-form-urlencoded"
METHODS: Final = ("GET", "HEAD", "POST")
#: A longer question is parsed in a thread: 64 KB take up to a millisecond or two.
PARSE_ABOVE_BYTES: Final = 8 * 1024


async def read_question(
    req: Request,
    namespace: str | None,
    max_body_bytes: int,
    in_thread: Callable[[Callable[[], Question]], Awaitable[Question]],
) -> Question:
    """Read the whole request.

    Args:
        namespace: of the path.
        in_thread: runs what takes too long for the loop.

    Raises:
        QueryError, KubernetesError: the question is not one, or not in a form that is taken.
        ClientGone: the body did not come to its end.
    """
    if req.method not in METHODS:
        raise method_not_allowed()
    body = await _read_form(req, max_body_bytes) if req.method == "POST" else b""
    if len(req.raw_query) + len(body) <= PARSE_ABOVE_BYTES:
        return _parse(req.raw_query, body, namespace)
    return await in_thread(lambda: _parse(req.raw_query, body, namespace))


async def _read_form(req: Request, max_bytes: int) -> bytes:
    type_ = req.first_header(b"content-type").partition(";")[0].strip().lower()
    if type_ != FORM:
        raise unsupported_media_type(f"cannot read a body of type {quote(type_)}: want {FORM}")
    coding = req.first_header(b"content-encoding")
    if coding not in ("", "identity"):
        raise unsupported_media_type(f"cannot read a body that is encoded: got {quote(coding)}, want it as it is")
    body = await req.read_body(max_bytes)
    if body is None:
        raise BeyondLimit(
            "query-max-body-bytes",
            f"cannot take a body of more than {max_bytes} bytes: select by a label that fewer values describe",
        )
    return body


def _parse(query: bytes, body: bytes, namespace: str | None) -> Question:
    params = dict(_pairs(query, "URL"))
    for name, value in _pairs(body, "body").items():
        if name in COMMON:
            raise QueryError(f"cannot take {name} from the body: give it in the URL")
        if name in params:
            raise QueryError(f"cannot have {quote(name)} both in the URL and in the body")
        params[name] = value
    return parse_question(params, namespace)


def _pairs(raw: bytes, where: str) -> dict[str, str]:
    # parse_query leaves such pairs out: what is left of a question would be about more than was asked.
    if b";" in raw or BAD_ESCAPE.search(raw):
        raise QueryError(f"cannot parse the parameters of the {where}: write a semicolon as %3B, a percent sign as %25")
    return parse_query(raw)
