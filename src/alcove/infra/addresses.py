"""Network addresses as limits and audit see them."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address


def parse_ip(text: str) -> IPv4Address | IPv6Address | None:
    """Gives an address, an IPv4 one in IPv6 clothes as what it is; None when the text is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def client_network(address: str) -> str:
    """Gives the address to count limits by: an IPv6 caller owns a whole /64."""
    parsed = parse_ip(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, 64), strict=False))
    return address if parsed is None else str(parsed)
