"""One server's turn: start it, find its numbers right, leave it alone, load it, end it.

In      a ServerSpec, a running simulator and its Model, a Routine
Out     Turn
Callers rounds.py
Never   counts time before the answers were right, or takes a server's word for what it scraped or how old it is
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec
from yarl import URL

from bench.compare.newcomers import Newcomers, simulator_state
from bench.compare.servers import Places, ServerSpec
from bench.load.client import tls_context
from bench.load.model import Age, Model, TooOld, WrongAnswer, read_pod, read_pods
from bench.load.plan import NOTHING_ASKED, Endpoint, Kept, Plan, Question, Stream, StreamOutcome
from bench.load.profiles import Dialect, pod_target, selector_target, streams_of
from bench.load.runner import run_plan
from bench.processes import Ports, ServerProcess, cpu_seconds_of, forget_peak, memory_of

if TYPE_CHECKING:
    from bench.scenarios import Scenario
    from heapfast.sim.cluster import Pod
    from heapfast.sim.process import SimulatedProcess

#: Between two questions for the first answer.
ASK_SECONDS: Final = 0.25
#: Between two questions for everything, which cost the server something.
ASK_ALL_SECONDS: Final = 3.0
START_SECONDS: Final = 480.0
REQUEST_SECONDS: Final = 60.0
#: Reads of single pods whose ages are taken.
FRESHNESS: Final = "freshness"
FRESHNESS_PER_SECOND: Final = 10.0
FRESHNESS_PODS: Final = 500
#: Selectors whose answers are counted before anything is measured.
CHECKED_WORKLOADS: Final = 10


class Routine(msgspec.Struct, frozen=True, kw_only=True):
    """What every server goes through.

    Attributes:
        quiet_resolutions: so many resolutions nobody asks for anything.
        load_seconds: how long clients ask; 0 = nobody does.
        profile: of the load.
        newcomers: pods that are replaced after the load, evenly over a resolution. Afterwards, since a slow server is
            asked for them more often.
        seed: of the load.
    """

    quiet_resolutions: int = 3
    load_seconds: float = 60.0
    profile: str = "everyone"
    newcomers: int = 12
    seed: int = 1


class Ages(msgspec.Struct, frozen=True, kw_only=True):
    """How old the numbers were that clients read, in seconds.

    Attributes:
        read: how many.
        unknown: of them, that were no numbers of the model.
        newest: share that were the kubelet's newest.
        overdue_...: for how long the kubelet had had a newer one.
    """

    read: int
    unknown: int
    newest: float
    p50: float
    p90: float
    p99: float
    max: float
    overdue_p50: float
    overdue_p90: float
    overdue_p99: float


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One server in one round. CPU and memory are None of a server whose process is not known.

    Attributes:
        first_answer_seconds: from the start of the process to the first usage of a pod.
        complete_seconds: to all of them.
        scrapes: in the quiet, as the simulated kubelets counted them; `scrapes_due` what the resolution asks for.
        quiet_...: nobody asked. Under load the clients of `streams` did.
        ..._rss_max_bytes: the highest there was then; `peak_rss_bytes` of the whole turn, start and checks included.
        newcomers: seconds from the start of a pod's containers to its first usage.
    """

    server: str
    round: int
    load_average: float
    first_answer_seconds: float | None
    complete_seconds: float | None
    quiet_seconds: float
    scrapes: int
    scrapes_due: int
    quiet_cpu_seconds: float | None
    quiet_rss_max_bytes: int | None
    load_seconds: float
    load_cpu_seconds: float | None
    load_rss_max_bytes: int | None
    peak_rss_bytes: int | None
    streams: list[StreamOutcome]
    ages: Ages | None
    newcomers: list[float]
    newcomers_missing: int
    client_cpu_seconds: float
    late_p99_ms: float
    queued: int
    simulator_cpu_seconds: float


async def take_turn(
    spec: ServerSpec,
    number: int,
    scenario: Scenario,
    simulator: SimulatedProcess,
    model: Model,
    routine: Routine,
    tell: Callable[[str], None],
) -> Turn:
    """Runs one turn.

    Raises:
        WrongAnswer: the server answers what is not so.
        RuntimeError: it does not start, or ends.
    """
    load_average = round(os.getloadavg()[0], 2)
    with tempfile.TemporaryDirectory(prefix="heapfast-bench-") as folder:
        async with _running(spec, scenario, simulator, Path(folder)) as server:
            return await _Turn(spec, scenario, simulator, model, routine, server, tell).run(number, load_average)


class _Server(msgspec.Struct):
    """A server that runs."""

    endpoint: Endpoint
    pid: int
    check: Callable[[], None]
    started: float


@asynccontextmanager
async def _running(
    spec: ServerSpec, scenario: Scenario, simulator: SimulatedProcess, folder: Path
) -> AsyncIterator[_Server]:
    cluster = simulator.endpoints
    proxied = spec.dialect is Dialect.METRICS_K8S_IO
    endpoint = Endpoint(
        host="127.0.0.1",
        port=Ports.free().secure,
        tls=proxied,
        cert_file=cluster.front_proxy_cert_file if proxied else "",
        key_file=cluster.front_proxy_key_file if proxied else "",
        # As the aggregation layer shows a caller whom the server has to ask the API server about.
        headers=("x-remote-user: simulated-admin", "x-remote-group: system:authenticated") if proxied else (),
    )
    if spec.url:
        parts = urlsplit(spec.url)
        endpoint = msgspec.structs.replace(
            endpoint, host=parts.hostname or "", port=parts.port or 0, tls=parts.scheme == "https"
        )
        yield _Server(endpoint, spec.pid, lambda: None, time.monotonic())
        return
    (folder / "certificates").mkdir()
    places = Places(
        kubeconfig=cluster.kubeconfig,
        ca_file=cluster.ca_file,
        api_url=cluster.api_url,
        kubelet_port=cluster.kubelet_port,
        port=endpoint.port,
        folder=str(folder / "certificates"),
        resolution_seconds=scenario.resolution_seconds,
    )
    started = time.monotonic()
    async with ServerProcess(spec.argv(places), folder / "log", spec.environ()) as process:
        yield _Server(endpoint, process.pid, process.check, started)


class _Turn:
    def __init__(
        self,
        spec: ServerSpec,
        scenario: Scenario,
        simulator: SimulatedProcess,
        model: Model,
        routine: Routine,
        server: _Server,
        tell: Callable[[str], None],
    ) -> None:
        self._spec = spec
        self._scenario = scenario
        self._simulator = simulator
        self._model = model
        self._routine = routine
        self._server = server
        self._tell = tell
        endpoint = server.endpoint
        self._base = f"{'https' if endpoint.tls else 'http'}://{endpoint.host}:{endpoint.port}"
        self._tls = tls_context(endpoint)
        self._headers = dict(line.split(": ", 1) for line in endpoint.headers)
        self._highest_rss = 0

    async def run(self, number: int, load_average: float) -> Turn:
        first = complete = None
        if self._spec.dialect is not Dialect.SCRAPER:
            timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
            async with aiohttp.ClientSession(timeout=timeout, headers=self._headers) as session:
                first = await self._wait("its first answer", self._answers_one, session, ASK_SECONDS)
                complete = await self._wait("all pods", self._answers_all, session, ASK_ALL_SECONDS)
                await self._check_selectors(session)
        # What the questions about everything have brought up is gone after a resolution, or stays.
        self._tell("settling")
        await asyncio.sleep(self._scenario.resolution_seconds * (1 if complete is not None else 3))
        quiet_seconds = float(self._scenario.resolution_seconds * self._routine.quiet_resolutions)
        self._tell("nobody asks")
        scrapes, cpu = await self._scrapes(), self._cpu()
        simulator_cpu = cpu_seconds_of(self._simulator.pid)
        self._memory_peak()
        began = time.monotonic()
        await asyncio.sleep(quiet_seconds)
        quiet_cpu, quiet_seconds = _less(self._cpu(), cpu), time.monotonic() - began
        simulator_cpu = cpu_seconds_of(self._simulator.pid) - simulator_cpu
        scrapes = await self._scrapes() - scrapes
        quiet_rss = self._memory_peak()
        due = self._scenario.nodes * self._routine.quiet_resolutions
        # Who moves its scrapes to where the kubelets sample moves some across an edge of the quiet.
        if scrapes < due - self._scenario.nodes // 2 and not self._scenario.faults:
            raise WrongAnswer(f"{self._spec.name} made {scrapes} scrapes where {due} were due: it does not do the work")
        return await self._load(
            server=self._spec.name,
            round=number,
            load_average=load_average,
            first_answer_seconds=first,
            complete_seconds=complete,
            quiet_seconds=round(quiet_seconds, 3),
            scrapes=scrapes,
            scrapes_due=due,
            quiet_cpu_seconds=quiet_cpu,
            quiet_rss_max_bytes=quiet_rss,
            simulator_cpu_seconds=round(simulator_cpu, 4),
        )

    async def _load(self, **quiet: object) -> Turn:
        routine, model = self._routine, self._model
        pods = model.draw_pods(min(FRESHNESS_PODS, len(model.cluster.pods) // 3), routine.seed)
        plan = Plan(
            endpoint=self._server.endpoint, streams=self._streams(pods), seconds=routine.load_seconds, seed=routine.seed
        )
        asked = {question.target for stream in plan.streams for question in stream.questions}
        if plan.streams:
            self._tell(f"load: {routine.profile}")
        self._memory_peak()
        cpu, began = self._cpu(), time.monotonic()
        outcome = await run_plan(plan) if plan.streams else NOTHING_ASKED
        load_cpu, load_seconds = _less(self._cpu(), cpu), time.monotonic() - began
        load_rss = self._memory_peak() if plan.streams else None
        self._server.check()
        newcomers = Newcomers(
            self._simulator.endpoints, model, self._base, self._tls, self._headers, self._spec.dialect, avoid=asked
        )
        waited: list[float] = []
        if self._spec.dialect is not Dialect.SCRAPER and routine.newcomers:
            self._tell("new pods")
            waited = await newcomers.run(routine.newcomers, self._scenario.resolution_seconds)
        kept = next((stream.kept for stream in outcome.streams if stream.name == FRESHNESS), [])
        return msgspec.convert(
            {
                **quiet,
                "load_seconds": round(load_seconds, 3),
                "load_cpu_seconds": load_cpu,
                "load_rss_max_bytes": load_rss,
                "peak_rss_bytes": self._highest_rss if self._memory_peak() else None,
                "streams": [msgspec.structs.replace(stream, kept=[]) for stream in outcome.streams],
                "ages": ages_of(model, pods, kept) if kept else None,
                "newcomers": waited,
                "newcomers_missing": newcomers.missing,
                "client_cpu_seconds": outcome.client_cpu_seconds,
                "late_p99_ms": outcome.late_p99_ms,
                "queued": outcome.queued,
            },
            Turn,
        )

    def _streams(self, pods: list[Pod]) -> list[Stream]:
        dialect = self._spec.dialect
        if dialect is Dialect.SCRAPER or not self._routine.load_seconds:
            return []
        targets = [pod_target(dialect, pod.workload.namespace, pod.name) for pod in pods]
        return [
            *streams_of(self._routine.profile, self._model, dialect, self._routine.seed),
            Stream(
                name=FRESHNESS,
                questions=[Question(target, ("accept: application/json",)) for target in targets],
                arrival="poisson",
                per_second=FRESHNESS_PER_SECOND,
                keeps_bodies=True,
            ),
        ]

    # -- waiting until there is something to measure ---------------------------------------------

    async def _wait(
        self,
        what: str,
        ask: Callable[[aiohttp.ClientSession], Awaitable[str]],
        session: aiohttp.ClientSession,
        pause_seconds: float,
    ) -> float:
        """Seconds from the start of the server until `ask` finds nothing wrong any more."""
        self._tell(f"waiting for {what}")
        while True:
            self._server.check()
            try:
                wrong = await ask(session)
            except (aiohttp.ClientError, TimeoutError) as error:
                wrong = f"no answer: {error!r}"
            seconds = time.monotonic() - self._server.started
            if not wrong:
                return round(seconds, 2)
            if seconds > START_SECONDS:
                raise WrongAnswer(f"{self._spec.name} has not given {what} after {seconds:.0f} s: {wrong}")
            await asyncio.sleep(pause_seconds)

    async def _answers_one(self, session: aiohttp.ClientSession) -> str:
        pod = self._model.draw_pods(1, self._routine.seed)[0]
        status, body = await self._get(session, pod_target(self._spec.dialect, pod.workload.namespace, pod.name))
        if status != 200:
            return f"{pod.key} is answered {status}"
        return "" if read_pod(body) else f"{pod.key} has no containers"

    async def _answers_all(self, session: aiohttp.ClientSession) -> str:
        prefix, scenario = self._spec.dialect.prefix, self._scenario
        status, body = await self._get(session, f"{prefix}/nodes")
        nodes = len(msgspec.json.decode(body)["items"] or ()) if status == 200 else 0
        if nodes < scenario.nodes and not scenario.faults:
            return f"{nodes} of {scenario.nodes} nodes"
        status, body = await self._get(session, f"{prefix}/pods")
        read_ms = time.time() * 1e3
        usages = read_pods(body) if status == 200 else {}
        if not scenario.faults and not scenario.churn_per_minute:
            if len(usages) < len(self._model.cluster.pods):
                return f"{len(usages)} of {len(self._model.cluster.pods)} pods"
            try:
                self._model.check(usages, read_ms, oldest_ms=self._oldest_ms())
            except TooOld as error:
                return str(error)
        return ""

    async def _check_selectors(self, session: aiohttp.ClientSession) -> None:
        """A selector gives its pods and no others, or two servers would not do the same work."""
        if self._scenario.faults or self._scenario.churn_per_minute:
            return
        for namespace, app, count in self._model.workloads()[:CHECKED_WORKLOADS]:
            status, body = await self._get(session, selector_target(self._spec.dialect, namespace, app))
            found = len(read_pods(body)) if status == 200 else 0
            if found != count:
                raise WrongAnswer(f"{self._spec.name}: {app} of {namespace} has {found} pods, want {count}")

    async def _get(self, session: aiohttp.ClientSession, target: str) -> tuple[int, bytes]:
        url = URL(self._base + target, encoded=True)
        async with session.get(url, ssl=self._tls or True, headers={"accept": "application/json"}) as response:
            return response.status, await response.read()

    def _oldest_ms(self) -> float:
        """No number of a server that works is older: the kubelet's own age, two resolutions, and a scrape."""
        return self._model.sampling_ms + 2_000.0 * self._scenario.resolution_seconds + 15_000.0

    # -- what others count -------------------------------------------------------------------------

    def _cpu(self) -> float | None:
        return cpu_seconds_of(self._server.pid) if self._server.pid else None

    def _memory_peak(self) -> int | None:
        """The highest resident memory since this was asked last."""
        if not self._server.pid:
            return None
        peak = memory_of(self._server.pid).peak_rss_bytes
        forget_peak(self._server.pid)
        self._highest_rss = max(self._highest_rss, peak)
        return peak

    async def _scrapes(self) -> int:
        """Good answers of all kubelets so far."""
        state = await simulator_state(self._simulator.endpoints)
        return int(state["kubelets"]["answered"].get("200", 0))


def ages_of(model: Model, pods: list[Pod], kept: list[Kept]) -> Ages:
    """How old the numbers in these answers were."""
    ages: list[Age] = []
    for answer in kept:
        age = model.age(pods[answer.question], read_pod(answer.body), answer.read_ms)
        if age is not None:
            ages.append(age)
    seconds = sorted(age.since_sample_ms / 1e3 for age in ages) or [0.0]
    overdue = sorted(age.overdue_ms / 1e3 for age in ages) or [0.0]
    return Ages(
        read=len(kept),
        unknown=len(kept) - len(ages),
        newest=round(sum(age.overdue_ms == 0 for age in ages) / max(len(ages), 1), 3),
        p50=quantile(seconds, 0.5),
        p90=quantile(seconds, 0.9),
        p99=quantile(seconds, 0.99),
        max=round(seconds[-1], 3),
        overdue_p50=quantile(overdue, 0.5),
        overdue_p90=quantile(overdue, 0.9),
        overdue_p99=quantile(overdue, 0.99),
    )


def quantile(ordered: list[float], share: float) -> float:
    """Of values in ascending order."""
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3)


def _less(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else round(now - before, 4)
