"""The site's one rate limiter: who counts as one sender, and limits that are asked for by hand."""

from __future__ import annotations

import math
import time
from ipaddress import IPv6Address, ip_address

from flask import request
from flask_limiter import Limiter
from limits import parse

_SENDER_BITS, _NETWORK_BITS = {4: 32, 6: 64}, {4: 24, 6: 48}


def sender() -> str:
    """Return what counts as one sender: an address, or the /64 that an IPv6 host has to itself."""
    return _prefix(request.remote_addr, _SENDER_BITS)


def network() -> str:
    """Return the network of a sender: the /24 of an address, the /48 of an IPv6 address."""
    return _prefix(request.remote_addr, _NETWORK_BITS)


def from_this_host() -> bool:
    """Return whether a request was sent on this machine, as through a tunnel of its admin's."""
    try:
        return ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def _prefix(address: str | None, bits: dict[int, int]) -> str:
    try:
        found = ip_address((address or "").split("%")[0])
    except ValueError:
        return address or "unknown"
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    spare = found.max_prefixlen - bits[found.version]
    return f"{type(found)(int(found) >> spare << spare)}/{bits[found.version]}"


limiter = Limiter(sender)


def seconds_to_wait(default: int = 60) -> int:
    """Return when a sender who is over a limit may try again."""
    limit = limiter.current_limit
    return default if limit is None else max(1, math.ceil(limit.reset_at - time.time()))


def within(limit: str, *key: str) -> bool:
    """Count one use of `key`, and return whether it is within its limit ("10 per hour")."""
    return not limiter.enabled or limiter.limiter.hit(parse(limit), *key)
