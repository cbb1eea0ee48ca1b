"""The secure port's flags: addresses, certificates, TLS, and who may ask."""

import ssl

import pytest

from heapfast.config.build import build_options
from heapfast.config.cipher_suites import CIPHER_SUITES
from heapfast.config.options import Options, SniPair
from heapfast.config.options import SecureOptions as Secure
from heapfast.errors import ConfigError
from tests.unit.config.defaults import AuthOptions, RequestHeaderOptions, SecureOptions

SECOND_NS = 1_000_000_000


def build(*argv: str) -> Options:
    return build_options(argv, {})


def secure_of(*argv: str) -> Secure:
    secure = build(*argv).secure
    assert secure is not None
    return secure


def faults_of(*argv: str) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        build(*argv)
    return refusal.value.faults


def test_the_defaults_are_metrics_servers() -> None:
    options = build()
    assert options.secure == SecureOptions()
    assert options.auth == AuthOptions()


def test_every_flag_of_the_port_reaches_its_field() -> None:
    assert secure_of(
        "--secure-port=10250",
        "--bind-address=::1",
        "--tls-cert-file=a.crt",
        "--tls-private-key-file=a.key",
        "--cert-dir=/tmp",
        "--tls-sni-cert-key=b.crt,b.key:B.example,*.b.example",
        "--tls-sni-cert-key=c.crt, c.key",
        "--tls-min-version=VersionTLS13",
        "--tls-cipher-suites=TLS_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "--max-requests-inflight=0",
        "--request-timeout=5s",
        "--shutdown-delay-duration=3s",
    ) == SecureOptions(
        bind_address="::1",
        port=10250,
        cert_file="a.crt",
        key_file="a.key",
        cert_dir="/tmp",
        sni=(
            SniPair(cert_file="b.crt", key_file="b.key", names=("b.example", "*.b.example")),
            SniPair(cert_file="c.crt", key_file="c.key"),
        ),
        min_tls="1.3",
        cipher_suites=("ECDHE-RSA-AES128-GCM-SHA256",),
        max_requests=0,
        request_timeout_ns=5 * SECOND_NS,
        shutdown_delay_ns=3 * SECOND_NS,
    )


def test_every_flag_of_authentication_and_authorization_reaches_its_field() -> None:
    assert build(
        "--authentication-kubeconfig=n",
        "--authorization-kubeconfig=z",
        "--authentication-skip-lookup",
        "--authentication-tolerate-lookup-failure",
        "--client-ca-file=c",
        "--requestheader-client-ca-file=p",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User,X-User",
        "--requestheader-uid-headers=X-Remote-Uid",
        "--requestheader-group-headers=X-Groups",
        "--requestheader-extra-headers-prefix=X-More-",
        "--authorization-always-allow-paths=/metrics,/debug/*",
        "--authentication-token-webhook-cache-ttl=1s",
        "--authorization-webhook-cache-authorized-ttl=2s",
        "--authorization-webhook-cache-unauthorized-ttl=0s",
    ).auth == AuthOptions(
        authentication_kubeconfig="n",
        authorization_kubeconfig="z",
        skips_lookup=True,
        tolerates_lookup_failure=True,
        client_ca_file="c",
        request_header=RequestHeaderOptions(
            ca_file="p",
            allowed_names=("front-proxy-client",),
            username_headers=("x-remote-user", "x-user"),
            uid_headers=("x-remote-uid",),
            group_headers=("x-groups",),
            extra_prefixes=("x-more-",),
        ),
        always_allow_paths=("/metrics", "/debug/*"),
        token_ttl_ns=SECOND_NS,
        authorized_ttl_ns=2 * SECOND_NS,
        unauthorized_ttl_ns=0,
    )


def test_header_flags_without_their_authority_are_noted() -> None:
    options = build("--requestheader-allowed-names=a", "--requestheader-uid-headers=b")
    assert options.auth.request_header is None
    why = "has no effect without --requestheader-client-ca-file: the cluster's setting holds"
    assert options.notes == (f"--requestheader-allowed-names: {why}", f"--requestheader-uid-headers: {why}")


def test_one_sni_flag_may_carry_several_pairs() -> None:
    assert secure_of("--tls-sni-cert-key=a,b;c,d:x").sni == (
        SniPair(cert_file="a", key_file="b"),
        SniPair(cert_file="c", key_file="d", names=("x",)),
    )


@pytest.mark.parametrize("version", ["VersionTLS10", "VersionTLS11"])
def test_an_old_version_of_tls_is_noted_and_not_spoken(version: str) -> None:
    options = build(f"--tls-min-version={version}")
    assert options.secure is not None
    assert options.secure.min_tls == "1.2"
    assert options.notes == ("--tls-min-version: heapfast speaks nothing older than VersionTLS12",)


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (["--api-server"], "--api-server: got true, want false: /apis/metrics/v1alpha1 is served on --heapster-port"),
        (["--secure-port=65536"], "--secure-port: got 65536, want a port from 0 to 65535"),
        (["--bind-address=localhost"], "--bind-address: got 'localhost', want an IP address"),
        (["--tls-cert-file=a"], "--tls-private-key-file: got nothing, want the key of --tls-cert-file"),
        (["--tls-private-key-file=a"], "--tls-cert-file: got nothing, want the certificate of --tls-private-key-file"),
        (["--tls-sni-cert-key=a"], "--tls-sni-cert-key: got 'a', want CERT,KEY or CERT,KEY:NAME,..."),
        (["--tls-sni-cert-key=a,b,c"], "--tls-sni-cert-key: got 'a,b,c', want CERT,KEY"),
        (["--tls-sni-cert-key="], "--tls-sni-cert-key: got '', want CERT,KEY"),
        (["--tls-min-version=1.2"], "--tls-min-version: got '1.2', want VersionTLS12 or VersionTLS13"),
        (["--tls-cipher-suites=TLS_RSA_WITH_RC4_128_SHA"], "--tls-cipher-suites: got 'TLS_RSA_WITH_RC4_128_SHA', want"),
        (["--max-requests-inflight=-1"], "--max-requests-inflight: got -1, want 0 or more"),
        (["--request-timeout=-1s"], "--request-timeout: got -1s, want 0s or more"),
        (["--shutdown-delay-duration=-1s"], "--shutdown-delay-duration: got -1s, want 0s or more"),
        (["--authentication-token-webhook-cache-ttl=-1s"], "--authentication-token-webhook-cache-ttl: got -1s, want"),
        (["--authorization-always-allow-paths=metrics"], "--authorization-always-allow-paths: got 'metrics', want"),
        (
            ["--requestheader-client-ca-file=p", "--requestheader-username-headers="],
            "--requestheader-username-headers: got nothing, want a header that names the user",
        ),
        (
            ["--requestheader-client-ca-file=p", "--requestheader-extra-headers-prefix=a,,b"],
            "--requestheader-extra-headers-prefix: got 'a,,b', want names, none of them empty",
        ),
    ],
)
def test_a_value_that_cannot_be_run_is_refused(argv: list[str], fault: str) -> None:
    faults = faults_of(*argv)
    assert len(faults) == 1
    assert faults[0].startswith(fault)


def test_flags_of_a_closed_port_are_checked_all_the_same() -> None:
    assert faults_of("--source=kubernetes", "--tls-cert-file=a") == [
        "--tls-private-key-file: got nothing, want the key of --tls-cert-file"
    ]


@pytest.mark.parametrize("openssl", sorted({name for name in CIPHER_SUITES.values() if name}))
def test_openssl_knows_every_suite_by_its_name(openssl: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(openssl)
    assert openssl in [cipher["name"] for cipher in context.get_ciphers()]


def test_custom_metrics_are_served_when_they_are_asked_for() -> None:
    assert not secure_of().enable_custom_metrics
    assert secure_of("--enable-custom-metrics").enable_custom_metrics
    assert not secure_of("--enable-custom-metrics=false").enable_custom_metrics


def test_custom_metrics_need_the_secure_port() -> None:
    options = build("--source=kubernetes.summary_api", "--enable-custom-metrics")
    assert options.secure is None
    assert options.notes == ("--enable-custom-metrics: has no effect: its port is closed, --secure-port opens it",)
