"""Who asks what: each question is one that its server knows, and both dialects are asked the same."""

import pytest

from bench.load.model import Model
from bench.load.profiles import ASKS, PROFILES, Dialect, streams_of
from heapfast.sim.options import SimulateOptions

MODEL = Model(SimulateOptions(nodes=4, pods_per_node=30, containers=2, namespaces=3, seed=5))
DIALECTS = (Dialect.METRICS_K8S_IO, Dialect.HEAPSTER)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_stream_has_questions_and_a_rate(profile: str) -> None:
    for dialect in DIALECTS:
        for stream in streams_of(profile, MODEL, dialect, seed=1):
            assert stream.rate > 0
            assert stream.questions
            assert all(question.target.startswith("/") and " " not in question.target for question in stream.questions)


def test_there_is_one_autoscaler_a_workload_and_it_prefers_protobuf() -> None:
    (stream,) = streams_of("autoscalers", MODEL, Dialect.METRICS_K8S_IO, seed=1)
    assert len(stream.questions) == len(MODEL.workloads())
    assert stream.every_seconds == 15.0
    assert stream.questions[0].headers[0] == "accept: application/vnd.kubernetes.protobuf, */*"
    namespace, app, _ = MODEL.workloads()[0]
    assert stream.questions[0].target == (
        f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods?labelSelector=app%3D{app}"
    )


def test_what_both_dialects_have_is_asked_of_both_at_the_same_moments() -> None:
    ours, theirs = (
        {stream.name: stream for stream in streams_of("everyone", MODEL, dialect, seed=1)} for dialect in DIALECTS
    )
    assert set(ours) < set(theirs)
    for name, stream in ours.items():
        assert len(stream.questions) == len(theirs[name].questions)
        assert stream.rate == theirs[name].rate


def test_a_mix_has_no_two_streams_of_one_name() -> None:
    for specs in PROFILES.values():
        assert len({spec.name for spec in specs}) == len(specs)
        assert all(spec.asks in ASKS and bool(spec.every_seconds) != bool(spec.per_second) for spec in specs)
