"""Where a channel may connect to: the destination that an administrator wrote, and never a place of ill repute.

A park's own network is a legitimate destination, so private addresses are allowed. Refused always, whatever a name
resolves to: link-local addresses (cloud metadata), known metadata services, unspecified, multicast and reserved ones.
Loopback is allowed only where it is written out as such. A name is resolved once per connection, every answer is
checked, and the connection goes to a checked address, so a name server cannot send it elsewhere in between.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from yarl import URL

_METADATA = {
    ip_address("100.100.100.200"),
    ip_address("168.63.129.16"),
    ip_address("192.0.0.192"),
    ip_address("fd00:ec2::254"),
}
_NAT64 = ip_network("64:ff9b::/96")
_OWN_PORTS = {1883: "MQTT", 8883: "MQTT", 5432: "PostgreSQL", 9092: "Kafka"}
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class DestinationRefused(ValueError):
    """The channel must not connect there; the message says why."""


def check_address(address: str, host: str) -> None:
    """Raises `DestinationRefused` when the address that `host` resolved to is out of bounds."""
    try:
        ip = _unwrap(ip_address(address.partition("%")[0]))
    except ValueError:
        raise DestinationRefused(f"{address!r} is no IP address") from None
    if ip in _METADATA:
        raise DestinationRefused(f"{ip} is a cloud metadata service")
    if ip.is_link_local:
        raise DestinationRefused(f"{ip} is link-local")
    if ip.is_unspecified:
        raise DestinationRefused(f"{ip} is no destination")
    if ip.is_multicast:
        raise DestinationRefused(f"{ip} is a multicast address")
    if ip.is_loopback:
        if host not in _LOOPBACK_NAMES:
            raise DestinationRefused(f"{host} leads to this machine ({ip}); write 127.0.0.1 if that is meant")
    elif ip.is_reserved:
        raise DestinationRefused(f"{ip} is reserved")


def check_url(url: str) -> URL:
    """The URL, parsed as the HTTP client does. Raises `DestinationRefused` with what is wrong about it."""
    if not url.isprintable() or any(character in url for character in " \\"):
        raise DestinationRefused("the URL has spaces, backslashes or control characters")
    try:
        parsed = URL(url)
        host, port = parsed.raw_host, parsed.port
    except ValueError:
        raise DestinationRefused("this is no URL") from None
    if parsed.scheme not in ("http", "https"):
        raise DestinationRefused("the URL must begin with http:// or https://")
    if not host:
        raise DestinationRefused("the URL names no host")
    if parsed.raw_user is not None or parsed.raw_password is not None or "@" in url.split("://", 1)[1].split("/", 1)[0]:
        raise DestinationRefused("the URL bears a user or password; put credentials into a secret file")
    if host.lower() not in url.lower():
        raise DestinationRefused(f"the host is written in an unusual way; write {host}")
    if port in _OWN_PORTS:
        raise DestinationRefused(f"port {port} is that of {_OWN_PORTS[port]}, not of a web server")
    try:
        ip_address(host)
    except ValueError:
        return parsed
    check_address(host, host)
    return parsed


def _unwrap(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address inside an IPv6 one that only carries it."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip in _NAT64 or 1 < int(ip) < 1 << 32:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    return ip
