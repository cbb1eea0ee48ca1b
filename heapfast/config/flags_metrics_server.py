"""metrics-server's flags, those that do something.

In      nothing; this is a table
Out     METRICS_SERVER_FLAGS
Callers flags
Source  spec/metrics-k8s-io.md 17; for the secure port also spec/heapster-rest.md 12
"""

from __future__ import annotations

from typing import Final

from heapfast.config.flag import Flag, FlagTable, Group


def _parse_log_format(text: str) -> str:
    if text in ("text", "json"):
        return text
    raise ValueError("text or json")


def _flags() -> list[Flag]:
    table = FlagTable(Group.KUBELETS)
    table.string("kubeconfig", "File that says where the API server is, and who we are to it and to kubelets.")
    table.string("node-selector", "Labels of the nodes to scrape; empty means all. Short form: -l.")
    table.words(
        "kubelet-preferred-address-types",
        "Types of node addresses, best first; with --source Heapster's choice is the default.",
        ("Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP"),
    )
    table.integer("kubelet-port", 10250, "Port of kubelets; kubeletPort in --source beats it.")
    table.switch("kubelet-use-node-status-port", "Take the port that each node states, where it does.")
    table.duration("kubelet-request-timeout", 10, "Longest scrape of a node, at most 9/10 of the resolution.")
    table.string("kubelet-certificate-authority", "PEM file of the authorities that kubelets' certificates come from.")
    table.string("kubelet-client-certificate", "PEM file of the certificate to show to kubelets.")
    table.string("kubelet-client-key", "PEM file of its key.")
    table.switch("kubelet-insecure-tls", "Take any certificate of a kubelet.")
    table.switch("deprecated-kubelet-completely-insecure", "Ask kubelets without TLS and without credentials.")

    table.group = Group.SECURE_PORT
    table.integer("secure-port", 443, "HTTPS port; 0 closes it. With --source it is open only when this flag is given.")
    table.string("bind-address", "Address to listen on.", "0.0.0.0")
    table.string("tls-cert-file", "PEM file of the serving certificate, with its chain.")
    table.string("tls-private-key-file", "PEM file of its key.")
    table.string(
        "cert-dir",
        "Folder of apiserver.crt and apiserver.key, which are made when they are missing.",
        "apiserver.local.config/certificates",
    )
    table.texts("tls-sni-cert-key", "Further pairs, by name the client asks for: CERT,KEY[:NAME,...].")
    table.string("tls-min-version", "VersionTLS12, the default, or VersionTLS13.")
    table.words("tls-cipher-suites", "Suites for TLS 1.2, in their IANA names; empty means OpenSSL's choice.")
    table.integer("max-requests-inflight", 400, "Requests that are answered at a time; 0 means any number.")
    table.duration("request-timeout", 60, "Longest time to answer one.")
    table.duration("shutdown-delay-duration", 0, "How long to serve on after SIGTERM, while /readyz already fails.")

    table.group = Group.AUTH
    table.string("authentication-kubeconfig", "File that says whom to ask who a caller is; empty as for all else.")
    table.switch("authentication-skip-lookup", "Never read the cluster's config map of trusted authorities.")
    table.switch("authentication-tolerate-lookup-failure", "Start without it when it cannot be read.")
    table.duration("authentication-token-webhook-cache-ttl", 10, "How long it holds who the bearer of a token is.")
    table.string("client-ca-file", "PEM file of the authorities of clients; beats the cluster's.")
    table.string(
        "requestheader-client-ca-file",
        "PEM file of the authorities of front proxies; with it the flags below beat the cluster's settings.",
    )
    table.words("requestheader-allowed-names", "Common names of front proxies; empty means all.")
    table.words("requestheader-username-headers", "Headers with the user's name.", ("x-remote-user",))
    table.words("requestheader-uid-headers", "Headers with the user's UID.")
    table.words("requestheader-group-headers", "Headers with the groups.", ("x-remote-group",))
    table.words("requestheader-extra-headers-prefix", "What headers with more begin with.", ("x-remote-extra-",))
    table.string("authorization-kubeconfig", "File that says whom to ask what a caller may; empty as for all else.")
    table.words(
        "authorization-always-allow-paths",
        "Paths that are open to everybody; a * at the end opens all that begins so.",
        ("/healthz", "/readyz", "/livez"),
    )
    table.duration("authorization-webhook-cache-authorized-ttl", 10, "How long a yes holds.")
    table.duration("authorization-webhook-cache-unauthorized-ttl", 10, "How long a no holds.")

    table.group = Group.LOGGING
    table.add("logging-format", _parse_log_format, "text", "text, or json: one object a line.")
    return table.flags


METRICS_SERVER_FLAGS: Final = _flags()
