"""A POST to an address that may be wrong, slow or hostile.

The name is resolved once for each attempt, its addresses are checked, and the connection goes to
the one that was checked, so that a name cannot lead elsewhere between both. Redirects are not
followed and proxies of the environment are not used.
"""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from sinks.webhooks.outcome import Failed, Refused

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_REFUSED = frozenset({400, 413, 415, 422})
"""Answers that say that the message is wrong, whenever it comes."""
_PAUSE_MAX_S = 3_600.0


class Address(NamedTuple):
    """Where to post: parts of a URL."""

    secure: bool
    host: str
    port: int
    target: str


def read_address(url: str) -> Address:
    """The parts of a URL. Raises ``ValueError`` that says what is wrong, without the URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("it is neither http:// nor https://")
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise ValueError("it needs a host, and no user name in front of it")
    if parts.fragment or any(c <= " " or c == "\x7f" for c in url):
        raise ValueError("it has a fragment, a blank or a control character")
    secure = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii():
        raise ValueError("its path is not ASCII; encode it")
    return Address(secure, parts.hostname, parts.port or (443 if secure else 80), target)


def post(
    address: Address,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout_s: float,
    networks: Sequence[Network],
    context: ssl.SSLContext,
) -> None:
    """Post ``body``; return when the answer is 2xx. Raises ``Failed`` and ``Refused``."""
    try:
        connection = _connection(address, timeout_s, networks, context)
        try:
            connection.request("POST", address.target, body, {**headers, "connection": "close"})
            answer = connection.getresponse()
            status, wait = answer.status, answer.getheader("retry-after", "")
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"{type(error).__name__}: {error}") from error
    if 200 <= status < 300:
        return
    if status in _REFUSED:
        raise Refused(f"status {status}")
    raise Failed(f"status {status}", min(float(wait), _PAUSE_MAX_S) if wait.isdecimal() else 0.0)


def _connection(
    address: Address, timeout_s: float, networks: Sequence[Network], context: ssl.SSLContext
) -> http.client.HTTPConnection:
    """An open connection to a checked address of the host."""
    ip = _checked(address, networks)
    plain = socket.create_connection((ip, address.port), timeout_s)
    kind = http.client.HTTPSConnection if address.secure else http.client.HTTPConnection
    connection = kind(address.host, address.port, timeout=timeout_s)
    try:
        connection.sock = (
            context.wrap_socket(plain, server_hostname=address.host) if address.secure else plain
        )
    except BaseException:
        plain.close()
        raise
    return connection


def _checked(address: Address, networks: Sequence[Network]) -> str:
    """An IP address of the host. Raises ``Failed`` unless every one of them is allowed."""
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    ips = [str(place[4][0]).partition("%")[0] for place in found]
    for ip in ips:
        if not is_allowed(ip, networks, secure=address.secure):
            raise Failed(
                f"{address.host} is at {ip}, which is no public address"
                + ("" if address.secure else " or is spoken to without TLS")
                + "; state its network in `networks` if that is meant"
            )
    return ips[0]


def is_allowed(ip: str, networks: Sequence[Network], *, secure: bool) -> bool:
    """Whether an address may be posted to: a public one over TLS, or one of a stated network."""
    address = ipaddress.ip_address(ip)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in network for network in networks):
        return True
    return secure and address.is_global and not address.is_multicast
