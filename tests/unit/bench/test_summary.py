"""What is said of a server after its turns."""

import msgspec
import pytest

from bench.compare.rounds import CompareResults, order_of
from bench.compare.servers import Identity, parse_server
from bench.compare.summary import markdown_of, summarise
from bench.compare.turn import Ages, Routine, Turn, ages_of
from bench.load.histogram import Latencies
from bench.load.model import Model
from bench.load.plan import Kept, StreamOutcome
from bench.provenance import provenance
from bench.scenarios import SCENARIOS
from heapfast.sim.cluster import Cluster
from heapfast.sim.options import SimulateOptions

AGES = Ages(
    read=10,
    unknown=0,
    newest=0.5,
    p50=8.0,
    p90=15.0,
    p99=19.0,
    max=20.0,
    overdue_p50=1.0,
    overdue_p90=4.0,
    overdue_p99=9.0,
)


def stream(milliseconds: float, *, errors: int = 0) -> StreamOutcome:
    latencies = Latencies()
    for _ in range(100):
        latencies.record(milliseconds / 1e3)
    return StreamOutcome(
        name="autoscalers",
        due=100 + errors,
        good=100,
        errors={"status 503": errors} if errors else {},
        histogram=latencies.encode(),
        p50_ms=milliseconds,
        p90_ms=milliseconds,
        p99_ms=milliseconds,
        max_ms=milliseconds,
        body_bytes=12_000,
    )


def turn(number: int, quiet_cpu: float, milliseconds: float, *, errors: int = 0) -> Turn:
    return Turn(
        server="heapfast",
        round=number,
        load_average=0.5,
        first_answer_seconds=12.0,
        complete_seconds=14.0,
        quiet_seconds=30.0,
        scrapes=200,
        scrapes_due=200,
        quiet_cpu_seconds=quiet_cpu,
        quiet_rss_max_bytes=100 << 20,
        load_seconds=30.0,
        load_cpu_seconds=quiet_cpu + 0.05,
        load_rss_max_bytes=120 << 20,
        peak_rss_bytes=130 << 20,
        streams=[stream(milliseconds, errors=errors)],
        ages=AGES,
        newcomers=[14.0, 16.0, 21.0],
        newcomers_missing=0,
        client_cpu_seconds=0.1,
        late_p99_ms=0.2,
        queued=0,
        simulator_cpu_seconds=0.3,
    )


def results(*turns: Turn) -> CompareResults:
    return CompareResults(
        provenance=provenance(),
        scenario=SCENARIOS["hundred"],
        routine=Routine(),
        servers={"heapfast": Identity(version="0.1", sha256="", command="heapfast")},
        floor=stream(0.1),
        turns=list(turns),
    )


def test_cpu_is_by_the_scrapes_that_kubelets_counted_and_beyond_that_by_request() -> None:
    (summary,) = summarise(results(turn(0, 0.020, 2.0), turn(1, 0.040, 2.0)))
    assert summary.quiet_us_a_scrape == 150.0
    assert summary.spread == (100.0, 200.0)
    assert summary.load_us_a_request == pytest.approx(500.0)
    assert (summary.quiet_rss_mib, summary.load_rss_mib, summary.peak_rss_mib) == (100.0, 120.0, 130.0)
    assert (summary.newcomer_p50, summary.newcomer_max, summary.newcomers) == (16.0, 21.0, 6)


def test_quantiles_are_of_all_rounds_together() -> None:
    (summary,) = summarise(results(turn(0, 0.02, 1.0), turn(1, 0.02, 100.0)))
    (autoscalers,) = summary.streams
    assert autoscalers.p50_ms == pytest.approx(1.0, rel=0.002)
    assert autoscalers.p99_ms == pytest.approx(100.0, rel=0.002)
    assert autoscalers.answer_bytes == 120


def test_errors_stand_beside_the_latencies() -> None:
    text = "\n".join(markdown_of(results(turn(0, 0.02, 1.0, errors=7))))
    assert "| autoscalers, ms: p50, p99 | 1, 1, 7 of 107 failed |" in text


def test_a_server_whose_process_is_not_known_has_no_cpu_and_no_memory() -> None:
    unknown = msgspec.structs.replace(
        turn(0, 0.02, 1.0),
        quiet_cpu_seconds=None,
        quiet_rss_max_bytes=None,
        load_cpu_seconds=None,
        load_rss_max_bytes=None,
        peak_rss_bytes=None,
    )
    (summary,) = summarise(results(unknown))
    assert summary.quiet_us_a_scrape is None
    assert summary.load_us_a_request is None
    assert "| CPU while nobody asks, µs a scrape | - |" in "\n".join(markdown_of(results(unknown)))


def test_results_come_back_from_their_file_as_they_were() -> None:
    found = results(turn(0, 0.02, 1.0))
    assert msgspec.json.decode(msgspec.json.encode(found), type=CompareResults) == found


def test_every_second_round_goes_the_other_way() -> None:
    servers = [parse_server("heapfast"), parse_server("heapfast-heapster")]
    assert [spec.name for spec in order_of(servers, 0)] == ["heapfast", "heapfast-heapster"]
    assert [spec.name for spec in order_of(servers, 1)] == ["heapfast-heapster", "heapfast"]


def test_ages_are_those_of_the_numbers_that_were_read() -> None:
    options = SimulateOptions(nodes=2, pods_per_node=20, containers=2, namespaces=3)
    model, cluster, now_ms = Model(options), Cluster(options, 1_800_000_000_000), 1_800_000_500_000
    pods = model.draw_pods(10, seed=1)
    kept = []
    for index, pod in enumerate(pods):
        values = cluster.expected_pod(pod.workload.namespace, pod.name, now_ms).containers
        body = {
            "metadata": {"name": pod.name, "namespace": pod.workload.namespace},
            "containers": [
                {"name": name, "usage": {"cpu": f"{value.cpu_millicores}m", "memory": str(value.working_set_bytes)}}
                for name, value in values.items()
            ],
        }
        kept.append(Kept(index, now_ms + 20_000.0, msgspec.json.encode(body)))
    kept.append(Kept(0, now_ms + 20_000.0, kept[0].body.replace(b'"memory":"', b'"memory":"1')))
    ages = ages_of(model, pods, kept)
    assert (ages.read, ages.unknown, ages.newest) == (11, 1, 0.0)
    assert 20.0 <= ages.p50 <= 30.0
    assert 10.0 <= ages.overdue_p50 <= 20.0
