"""Which names the desk answers to, so that no other site's name can be made to lead to it. Pure.

A page of another site may let its own host name point at this machine (DNS rebinding), and is then
of the same origin as the desk. The header ``Host`` still has that site's name.
"""

import re

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_HOST = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253}))(?::\d{1,5})?")


def name_of(header: str) -> str | None:
    """The name in a ``Host`` header, without its port; None where it is none."""
    match = _HOST.fullmatch(header.strip().lower())
    return (match[1] or match[2]) if match else None


def names_in(text: str) -> frozenset[str]:
    """The names in a setting that separates them by commas. Raises ``ValueError`` on a wrong one.

    A name stands without its port, an address of IPv6 in brackets or without.
    """
    found = set()
    for part in filter(None, (piece.strip().lower() for piece in text.split(","))):
        bare = f"[{part}]" if part.count(":") > 1 and not part.startswith("[") else part
        name = name_of(bare)
        if name is None or (":" in bare and not bare.endswith("]")):
            raise ValueError(f"{part!r} is no host name; write it without scheme, port and path")
        found.add(name)
    return frozenset(found)
