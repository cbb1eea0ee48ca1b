"""Signatures for AWS against the examples that AWS has published, and when a sink makes them."""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from yarl import URL

from heapfast.clock import ManualClock
from heapfast.config.findings import Findings
from heapfast.config.sinks import UriReader
from heapfast.config.uris import parse_uri
from heapfast.errors import SinkError
from heapfast.sinks.aws import AwsKeys, AwsSigner
from heapfast.sinks.elasticsearch import ElasticsearchSink, read_elasticsearch
from heapfast.sinks.sink import Secret
from tests.unit.sinks.example import example_batch
from tests.unit.sinks.peer import Peer

#: 2015-08-30T12:36:00Z, the time of all examples.
EXAMPLES_NS = 1_440_938_160 * 10**9
NOTHING = hashlib.sha256(b"").hexdigest()
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "AWS_REGION": "us-east-1",
}


def signer(service: str, *, token: str = "") -> AwsSigner:
    keys = AwsKeys(
        key_id=ENVIRONMENT["AWS_ACCESS_KEY_ID"],
        secret=Secret(ENVIRONMENT["AWS_SECRET_ACCESS_KEY"]),
        token=Secret(token),
        region="us-east-1",
        service=service,
    )
    return AwsSigner(keys, ManualClock(EXAMPLES_NS))


@pytest.mark.parametrize(
    ("method", "url", "headers", "service", "names", "signature"),
    [
        pytest.param(
            "GET",
            "https://example.amazonaws.com/",
            {},
            "service",
            "host;x-amz-date",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            id="get-vanilla",
        ),
        pytest.param(
            "POST",
            "https://example.amazonaws.com/",
            {},
            "service",
            "host;x-amz-date",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            id="post-vanilla",
        ),
        pytest.param(
            "GET",
            "https://example.amazonaws.com/?Param2=value2&Param1=value1",
            {},
            "service",
            "host;x-amz-date",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            id="get-vanilla-query-order-key-case",
        ),
        pytest.param(
            "GET",
            "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
            {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
            "iam",
            "content-type;host;x-amz-date",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            id="iam-list-users",
        ),
    ],
)
def test_signatures_are_those_that_aws_published(
    method: str, url: str, headers: dict[str, str], service: str, names: str, signature: str
) -> None:
    signed = signer(service).sign(method, URL(url), headers, NOTHING)
    assert signed["X-Amz-Date"] == "20150830T123600Z"
    assert signed["Authorization"] == (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )


def test_a_session_says_its_token_and_signs_it() -> None:
    url = URL("https://example.amazonaws.com/")
    signed = signer("service", token="of a session").sign("POST", url, {}, NOTHING)
    assert signed["X-Amz-Security-Token"] == "of a session"
    assert "host;x-amz-date;x-amz-security-token" in signed["Authorization"]
    assert signed["Authorization"] != signer("service").sign("POST", url, {}, NOTHING)["Authorization"]


def read(uri: str, environment: dict[str, str]) -> tuple[Any, list[str]]:
    findings = Findings()
    spec = read_elasticsearch(UriReader(parse_uri(uri, environment), findings, environment=environment))
    return spec.aws, findings.faults


HOST = "https://search-metrics-abc.eu-west-1.es.amazonaws.com"


@pytest.mark.parametrize(
    ("uri", "environment", "where"),
    [
        pytest.param(f"elasticsearch:{HOST}", {}, ("eu-west-1", "es"), id="a host of AWS tells its region"),
        pytest.param(
            "elasticsearch:https://x.us-west-2.aoss.amazonaws.com", {}, ("us-west-2", "aoss"), id="serverless"
        ),
        pytest.param(
            "elasticsearch:https://metrics.example", {"AWS_REGION": "ap-south-1"}, ("ap-south-1", "es"), id="own name"
        ),
        pytest.param(f"elasticsearch:?nodes={HOST}", {}, ("eu-west-1", "es"), id="nodes"),
        pytest.param(f"elasticsearch:{HOST}?esUserName=u&esUserSecret=s", {}, None, id="a password is enough"),
    ],
)
def test_keys_in_the_environment_sign(uri: str, environment: dict[str, str], where: tuple[str, str] | None) -> None:
    keys = {name: ENVIRONMENT[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    older = {"AWS_ACCESS_KEY": keys["AWS_ACCESS_KEY_ID"], "AWS_SECRET_KEY": keys["AWS_SECRET_ACCESS_KEY"]}
    for names in (keys, older):
        aws, faults = read(uri, names | environment)
        assert not faults
        assert (aws and (aws.region, aws.service)) == where
    assert read(uri, environment) == (None, [])


@pytest.mark.parametrize(
    ("environment", "fault"),
    [
        ({"AWS_ACCESS_KEY_ID": "i"}, "one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"),
        ({"AWS_SECRET_KEY": "s3cret"}, "one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"),
        ({"AWS_ACCESS_KEY_ID": "i", "AWS_SECRET_KEY": "s3cret"}, "keys of AWS in the environment and no region"),
        (
            {"AWS_ACCESS_KEY_ID": "i\n", "AWS_SECRET_KEY": "s3cret", "AWS_REGION": "r"},
            "keys of AWS that cannot be in a header",
        ),
    ],
    ids=["no secret", "no id", "no region", "line feed"],
)
def test_keys_that_cannot_sign_stop_the_start(environment: dict[str, str], fault: str) -> None:
    aws, faults = read("elasticsearch:https://metrics.example", environment)
    assert aws is None
    assert len(faults) == 1
    assert f"'elasticsearch' with {fault}" in faults[0]
    assert "s3cret" not in faults[0]


async def test_every_request_of_the_sink_is_signed_with_its_body() -> None:
    with ThreadPoolExecutor(1) as executor:
        async with Peer() as peer:
            peer.answers = [(200, b"{}"), (403, b"no, wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")]
            findings = Findings()
            uri = parse_uri(f"elasticsearch:http://127.0.0.1:{peer.port}?pipeline=a%20b", ENVIRONMENT)
            spec = read_elasticsearch(UriReader(uri, findings, environment=ENVIRONMENT))
            sink = ElasticsearchSink(spec, ManualClock(EXAMPLES_NS))
            chunk = await asyncio.get_running_loop().run_in_executor(executor, sink.chunks(example_batch()).read)
            assert chunk is not None
            with pytest.raises(SinkError) as failure:
                await sink.send(chunk.payload)
            await sink.close()
    assert failure.value.costs == "batch"
    assert "wJalr" not in str(failure.value)
    for request in peer.requests:
        url = URL(f"http://127.0.0.1:{peer.port}{request.path}").with_query(request.query)
        digest = hashlib.sha256(request.body).hexdigest()
        assert request.headers["X-Amz-Content-Sha256"] == digest
        given = {name: request.headers[name] for name in ("Content-Type", "X-Amz-Content-Sha256")}
        assert (
            request.headers["Authorization"] == signer("es").sign(request.method, url, given, digest)["Authorization"]
        )
