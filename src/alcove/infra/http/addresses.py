"""Which addresses may be connected to: the public internet, and private ones an operator has named.

Names are looked up once, every address is judged, and the connection goes to a judged address: no second look-up that could
answer differently. Addresses that wrap an IPv4 address are judged by what they wrap (specs: RFC 4291, 6052, 3056, 4380).
"""

import asyncio
import ipaddress
import socket
from dataclasses import dataclass

from alcove.infra.http.errors import AddressNotAllowed, ConnectFailed
from alcove.infra.http.urls import Url

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# Python calls some of these global (192.0.0.192, 64:ff9b::/96), so they are listed; never reachable, not even when named:
# link-local networks hold the metadata services of clouds, which give out credentials.
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "192.0.0.192/32",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fd00:ec2::/32",
        "fd20:ce::/32",
        "fe80::/10",
        "ff00::/8",
    )
)
_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "::1/128",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fec0::/10",
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")


@dataclass(frozen=True, slots=True)
class AddressGuard:
    """Judges where connections may go.

    Attributes:
        named: Private addresses an operator has named, as `host:port` or `host:*`; the host as in the URL.
    """

    named: frozenset[str] = frozenset()

    def is_named(self, url: Url) -> bool:
        """Tells whether an operator has named this host and port."""
        host = f"[{url.host}]" if ":" in url.host else url.host
        return f"{host}:{url.port}" in self.named or f"{host}:*" in self.named

    async def addresses(self, url: Url) -> list[str]:
        """Looks up and judges the addresses behind a URL; gives those to connect to, in order.

        Raises:
            AddressNotAllowed: When any of them may not be connected to.
            ConnectFailed: When there is no such host.
        """
        is_named = self.is_named(url)
        try:
            found = [str(ipaddress.ip_address(url.host))]
        except ValueError:
            found = await _look_up(url.host, url.port)
        for address in found:
            if not is_allowed(ipaddress.ip_address(address), is_named=is_named):
                raise AddressNotAllowed(refusal(url))
        return found


def refusal(url: Url) -> str:
    """Gives the message for an address that is not allowed: the same for all, so that it tells nothing about the network."""
    return (
        f"address not allowed: {url.authority} is private or reserved; an operator can allow it by adding "
        f"'{url.host}:{url.port}' to the setting gateway.private_addresses"
    )


def is_allowed(address: IpAddress, *, is_named: bool) -> bool:
    """Tells whether an address may be connected to.

    Args:
        address: The address, as looked up.
        is_named: Whether an operator has named the host, so that private addresses are fine too.
    """
    inner = _unwrapped(address)
    if any(inner in network for network in _NEVER if network.version == inner.version):
        return False
    is_private = (
        inner != address
        or not inner.is_global
        or any(inner in network for network in _PRIVATE if network.version == inner.version)
    )
    return is_named or not is_private


def _unwrapped(address: IpAddress) -> IpAddress:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    is_compatible = int(address) >> 32 == 0 and int(address) > 1  # ::a.b.c.d, but not :: and ::1
    if is_compatible or address in _NAT64 or address in _NAT64_LOCAL:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


async def _look_up(host: str, port: int) -> list[str]:
    try:
        infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        msg = f"no such host: {host}"
        raise ConnectFailed(msg) from error
    found = list(dict.fromkeys(str(info[4][0]).split("%", 1)[0] for info in infos))
    if not found:
        msg = f"no such host: {host}"
        raise ConnectFailed(msg)
    return found
