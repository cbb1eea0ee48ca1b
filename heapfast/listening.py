"""Sockets to listen on.

In      an address and a port, and the flags that they come from
Out     a socket that is bound and listens; or a ConfigError that names the flags
Callers daemon
Never   accepts: who connects already is answered once a host has started
"""

from __future__ import annotations

import os
import socket
from typing import Final

from heapfast.errors import ConfigError

BACKLOG: Final = 1024


def listen(address: str, port: int, flags: str) -> socket.socket:
    """Makes a socket.

    Args:
        address: an IP or a name; "" for all of the machine's, IPv6 and IPv4 alike.
        port: 0 for one that is free.
        flags: where they come from, for the error.

    Raises:
        ConfigError: the address is none of this machine's, or the port is in use.
    """
    where = f"{address or '*'}:{port} ({flags})"
    try:
        if not address and socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
        found = socket.getaddrinfo(address or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, place = found[0]
        return socket.create_server(place, family=family, backlog=BACKLOG)
    except UnicodeError as error:  # from the codec for host names
        raise ConfigError(f"cannot listen on {where}: it is no address and no name") from error
    except socket.gaierror as error:
        raise ConfigError(f"cannot listen on {where}: {error.strerror}") from error
    except OSError as error:
        # Not its own text, in which create_server repeats the address.
        raise ConfigError(f"cannot listen on {where}: {os.strerror(error.errno or 0)}") from error
