"""/apis/heapfast/v1/query: sums, averages and percentiles over selectors and windows, from memory.

In      a question in the query's parameters, in a form that is posted, or in both; see query/question.py
Out     rows of JSON, CSV or Arrow; failures as Kubernetes' Status, on both ports
Callers routes.py and secure_routes.py
Source  docs/query.md, which is ours
Never   holds the loop: it takes references to batches there, a thread of its own does the work

On the secure port a SubjectAccessReview asks for `list query.heapfast`, in the namespace of the path or in all: below
`/namespaces/NAME/` nothing outside that namespace is looked at. A POST makes nothing, and needs the same permission.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from array import array
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Final

import falcon.asgi

from heapfast._aggregate import Aggregate, Cancelled, TooManySamples
from heapfast._core import Store
from heapfast._grouping import Grouping
from heapfast._snapshot import Snapshot
from heapfast.api.kubernetes_errors import timed_out, too_large, unavailable
from heapfast.api.kubernetes_responders import put_error
from heapfast.api.negotiation import accepts_gzip_element, compress, quality_of
from heapfast.api.query_form import METHODS, read_question
from heapfast.api.query_limits import BeyondLimit, QueryLimits
from heapfast.api.query_monitoring import Outcome, QueryMonitoring
from heapfast.api.request import ClientGone, Request
from heapfast.api.responders import JSON
from heapfast.catalog.keys import Kind
from heapfast.catalog.metrics import BY_NAME
from heapfast.errors import HeapfastError, QueryError
from heapfast.query.label_values import LabelValues
from heapfast.query.question import Question
from heapfast.query.selection import select_slots
from heapfast.render._arrow import render_arrow_rows
from heapfast.render._query import count_rows, render_csv_rows, render_json_rows
from heapfast.render.arrow import ARROW_TYPE
from heapfast.store.index import Postings
from heapfast.units import NS_PER_SECOND

GROUP_NAME: Final = "heapfast"
QUERY_PREFIX: Final = f"/apis/{GROUP_NAME}/v1"
#: Below it: of all namespaces, of one.
QUERY: Final = ("/query", "/namespaces/{namespace}/query")
#: What permission is asked for, whatever the method: (group, resource), see auth/attributes.py.
ASKED_BY_POST: Final = frozenset(((GROUP_NAME, "query"),))
#: By format.
TYPES: Final = {"json": JSON, "csv": "text/csv; charset=utf-8", "arrow": ARROW_TYPE}

#: Values of a label that groups are made by and that are read before the loop gets its turn: well below 1 ms.
SLICE_VALUES: Final = 200
#: Shorter answers are not worth compressing.
COMPRESS_ABOVE_BYTES: Final = 8 * 1024


class _Job:
    """One question in its thread.

    Attributes:
        n_rows: of the answer, once it is there.
    """

    def __init__(self, question: Question, snapshot: Snapshot, start_ns: int, end_ns: int, limits: QueryLimits) -> None:
        self._question = question
        self._snapshot: Snapshot | None = snapshot
        self._start_ns = start_ns
        self._end_ns = end_ns
        self._limits = limits
        self._aggregate: Aggregate | None = None
        self._is_cancelled = False
        self.n_rows = 0

    def cancel(self) -> None:
        """Make `run` end soon, with Cancelled. From the loop."""
        self._is_cancelled = True
        if self._aggregate is not None:
            self._aggregate.cancel()

    def run(self, objects: array[int] | None, labels: list[LabelValues], form: str) -> bytes:
        """Work it out and write it. Once, for what it was made of is let go of here: on the loop that took 8 ms."""
        try:
            return self._rows(objects, labels, form)
        finally:
            self._aggregate = self._snapshot = None

    def _rows(self, objects: array[int] | None, labels: list[LabelValues], form: str) -> bytes:
        question, snapshot = self._question, self._snapshot
        assert snapshot is not None, "BUG: a question is worked on once"
        grouping = Grouping(
            snapshot.newest,
            question.kind,
            question.key_codes,
            labels,
            objects,
            question.conditions,
            snapshot.metric if question.is_labeled else -1,
        )
        grouping.make()
        self._check_rows(min(grouping.n_groups, question.top or grouping.n_groups) * self._most_buckets(snapshot))
        # The best of the whole window are looked for first, and then their buckets.
        aggregate = self._run(snapshot, grouping, 0 if question.is_ordered else question.bucket_ns)
        if not question.is_ordered:
            order = aggregate.sorted()
        else:
            order = aggregate.best(question.top or grouping.n_groups, question.is_descending)
            if question.bucket_ns:
                grouping.narrow(order)
                aggregate = self._run(snapshot, grouping, question.bucket_ns)
                order = array("I", range(len(order)))
        self.n_rows = count_rows(aggregate, order)
        columns = [*question.keys, "time", *(function.name for function in question.over)]
        if form == "arrow":
            functions = [function.name for function in question.over]
            return render_arrow_rows(aggregate, order, question.keys, functions)
        if form == "csv":
            header = ",".join(_csv(column) for column in columns)
            return render_csv_rows(aggregate, order, f"{header}\n".encode())
        head = json.dumps(self._described(aggregate, snapshot))[:-1] + ',"items":'
        return render_json_rows(aggregate, order, columns, head.encode(), b"}\n")

    def _run(self, snapshot: Snapshot, grouping: Grouping, bucket_ns: int) -> Aggregate:
        question = self._question
        self._aggregate = aggregate = Aggregate(
            snapshot,
            grouping,
            across=question.across.compiled if question.across else None,
            over=[function.compiled for function in question.over],
            start_ns=self._start_ns,
            end_ns=self._end_ns,
            bucket_ns=bucket_ns,
            is_rate=question.is_rate,
            is_counter=question.is_counter,
            max_samples=self._limits.max_samples,
        )
        if self._is_cancelled:
            aggregate.cancel()
        try:
            aggregate.run()
        except TooManySamples as error:
            raise BeyondLimit("query-max-samples", f"{error}: ask for fewer") from error
        return aggregate

    def _most_buckets(self, snapshot: Snapshot) -> int:
        bucket_ns = self._question.bucket_ns
        return min(snapshot.n_ticks, (self._end_ns - self._start_ns) // bucket_ns + 2) if bucket_ns else 1

    def _check_rows(self, n_rows: int) -> None:
        if n_rows > self._limits.max_rows:
            raise BeyondLimit(
                "query-max-rows",
                f"cannot answer with up to {n_rows} rows, the limit is {self._limits.max_rows}: ask for top=N, fewer "
                "groups or larger buckets",
            )

    def _described(self, aggregate: Aggregate, snapshot: Snapshot) -> dict[str, Any]:
        metric = BY_NAME.get(self._question.metric)
        return {
            "kind": "QueryResult",
            "apiVersion": "heapfast/v1",
            "metric": self._question.metric,
            "unit": _unit(self._question, metric.unit if metric else ""),
            "window": {
                "first": _time(aggregate.oldest_ns) if aggregate.n_counted else None,
                "last": _time(aggregate.newest_ns) if aggregate.n_counted else None,
                "ticks": aggregate.n_counted,
                "isComplete": not snapshot.is_cut,
            },
        }


class Query:
    """Responders of the routes; one for an app."""

    def __init__(
        self, store: Store, pods: Postings, nodes: Postings, limits: QueryLimits, monitoring: QueryMonitoring
    ) -> None:
        self._store = store
        self._pods = pods
        self._nodes = nodes
        self._limits = limits
        self._monitoring = monitoring
        # Its own thread, so that a long question keeps no batch from being closed; questions wait for each other.
        self._executor: Executor = ThreadPoolExecutor(1, thread_name_prefix="query")

    async def query(self, req: Request, resp: falcon.asgi.Response, namespace: str | None = None) -> None:
        start = perf_counter()
        outcome = Outcome.FAILED
        try:
            async with asyncio.timeout(self._limits.timeout_seconds):
                body, form = await self._answer(req, namespace)
            outcome = Outcome.ANSWERED
        except asyncio.CancelledError:
            outcome = Outcome.CANCELLED
            raise
        except (HeapfastError, TimeoutError, ClientGone) as error:
            outcome = self._refuse(req, resp, error)
            return
        finally:
            self._monitoring.observe(outcome, perf_counter() - start)
        resp.status = 200
        resp.content_type = TYPES[form]
        resp.set_header("vary", "Accept, Accept-Encoding")
        if len(body) > COMPRESS_ABOVE_BYTES and accepts_gzip_element(req.first_header(b"accept-encoding")):
            resp.set_header("content-encoding", "gzip")
            body = await asyncio.get_running_loop().run_in_executor(self._executor, compress, body, "gzip")
        resp.data = body

    def _refuse(self, req: Request, resp: falcon.asgi.Response, error: Exception) -> Outcome:
        """Say why there is no answer; returns how the question ended."""
        outcome = Outcome.REFUSED
        match error:
            case Cancelled() | ClientGone():
                outcome, error = Outcome.CANCELLED, unavailable("the client has gone")
            case TimeoutError():
                self._monitoring.met("query-timeout")
                outcome = Outcome.LIMITED
                error = timed_out(
                    f"cannot answer within {self._limits.timeout_seconds:g} s: ask for a shorter window or fewer "
                    "entities, or raise --query-timeout"
                )
            case BeyondLimit():
                self._monitoring.met(error.limit)
                outcome = Outcome.LIMITED
                if error.limit == "query-max-body-bytes":
                    error = too_large(str(error))
        code = put_error(req, resp, error)
        if code == 405:
            resp.set_header("allow", ", ".join(METHODS))
        if outcome is Outcome.REFUSED and code >= 500:
            outcome = Outcome.UNAVAILABLE if code == 503 else Outcome.FAILED
        return outcome

    async def _answer(self, req: Request, namespace: str | None) -> tuple[bytes, str]:
        """The answer, and its format."""
        question = await read_question(req, namespace, self._limits.max_body_bytes, self._run)
        form = question.format or _preferred(req.first_header(b"accept"))
        job = self._job(question)
        labels = [await self._labels(question.kind, key) for key in question.label_keys]
        objects = None
        if question.selector is not None:
            objects = (await select_slots(self._index(question.kind), question.selector)).to_array()
        body = await self._in_thread(req, job, lambda: job.run(objects, labels, form))
        self._monitoring.answered(job.n_rows, len(body))
        return body, form

    def _run(self, work: Callable[[], Question]) -> asyncio.Future[Question]:
        return asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _job(self, question: Question) -> _Job:
        newest = self._store.newest
        if newest is None:
            raise unavailable("no samples yet: the first batch is not closed")
        metric = self._store.metric_id(question.metric)
        if metric < 0:
            raise QueryError(f"unknown metric {question.metric}: nothing has reported it")
        end_ns = newest.timestamp_ns if question.end_ns is None else question.end_ns
        if question.start_ns is not None:
            start_ns = question.start_ns
        else:
            # Without a window the newest batch alone: it ends where the one before it does not reach.
            start_ns = end_ns - question.window_ns if question.window_ns else newest.timestamp_ns - 1
        snapshot = Snapshot(self._store, question.slot_kind, metric, start_ns, question.is_rate)
        return _Job(question, snapshot, start_ns, end_ns, self._limits)

    def _index(self, kind: Kind) -> Postings:
        return self._pods if kind in (Kind.POD, Kind.POD_CONTAINER) else self._nodes

    async def _labels(self, kind: Kind, key: str) -> LabelValues:
        """Every value of a label and who has it. What changes between two slices is as if it had been asked later."""
        found = LabelValues()
        index = self._index(kind)
        values = index.values_of(key)
        while values:
            for value in values[-SLICE_VALUES:]:
                found.add(value, index.having(key, value).to_array())
            del values[-SLICE_VALUES:]
            await asyncio.sleep(0)
        return found

    async def _in_thread(self, req: Request, job: _Job, work: Callable[[], bytes]) -> bytes:
        """Run the work; whoever stops waiting for it, or hangs up, stops it."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, work)
        # Looked at, also when nobody waits for it any more.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        gone = asyncio.ensure_future(req.wait_gone())
        try:
            await asyncio.wait((future, gone), return_when=asyncio.FIRST_COMPLETED)
            if not future.done() and gone.result():
                job.cancel()
            return await future
        except asyncio.CancelledError:
            job.cancel()
            raise
        finally:
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone


def _preferred(accept: str) -> str:
    """The format that a client wants most; JSON where it has no wish."""
    wished = {form: quality_of(type_.partition(";")[0], accept) for form, type_ in TYPES.items()}
    return max(wished, key=lambda form: (wished[form], form == "json"))


def _unit(question: Question, unit: str) -> str:
    """The unit of the metric's own values, which functions other than counts keep."""
    if question.metric.startswith("cpu/") and not unit and "utilization" not in question.metric:
        unit = "millicores" if "reservation" not in question.metric else ""
    return f"{unit}/s" if question.is_rate and unit else unit


def _time(time_ns: int) -> str:
    seconds, ns = divmod(time_ns, NS_PER_SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{ns:09d}".rstrip("0") + "Z" if ns else f"{text}Z"


def _csv(name: str) -> str:
    return f'"{name}"' if "," in name else name
