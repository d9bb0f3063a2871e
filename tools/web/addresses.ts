/**
 * Which IP addresses belong to the public internet. All others are refused, and so are IPv6 addresses that stand for an
 * IPv4 address which is not public. ipaddr.js names the ranges, after IANA's special-purpose registries (RFC 6890).
 */
import ipaddr, { type IPv4, type IPv6 } from 'ipaddr.js';
import { networkInterfaces } from 'node:os';

/** Addresses in public ranges at which a cloud (here Azure) serves metadata to its own machines. */
const METADATA: Readonly<Record<string, string>> = { '168.63.129.16': 'a metadata address of a cloud' };

/**
 * What `address` is, where it is not public; undefined where it is. `attached` are networks this machine is part of
 * (CIDR): its own public addresses and those of its neighbours are no more the internet than private ones.
 */
export function notPublic(address: string, attached: readonly string[]): string | undefined {
  let parsed: IPv4 | IPv6;
  try {
    parsed = ipaddr.parse(address);
  } catch {
    return 'no IP address';
  }
  if (parsed.kind() === 'ipv4') return notPublicV4(parsed as IPv4, attached);
  return notPublicV6(parsed as IPv6, attached);
}

function notPublicV4(address: IPv4, attached: readonly string[]): string | undefined {
  const range = address.range();
  if (range !== 'unicast') return `an address of the range "${range}"`;
  return METADATA[address.toString()] ?? onLink(address, attached);
}

function notPublicV6(address: IPv6, attached: readonly string[]): string | undefined {
  const range = address.range();
  // What an address is translated to decides: an IPv4-mapped one (RFC 4291), and one behind the well-known prefix of
  // NAT64 (RFC 6052), by which a network without IPv4 reaches the public IPv4 internet.
  if (range === 'ipv4Mapped') return notPublicV4(address.toIPv4Address(), attached);
  const bytes = address.toByteArray();
  if (range === 'rfc6052' && address.match(ipaddr.IPv6.parse('64:ff9b::'), 96))
    return notPublicV4(new ipaddr.IPv4(bytes.slice(12)), attached);
  if (range !== 'unicast') return `an address of the range "${range}"`;
  // IANA assigns global unicast addresses from 2000::/3 only (RFC 4291); `::a.b.c.d` is among the rest.
  if (((bytes[0] ?? 0) & 0xe0) !== 0x20) return 'an address that is given to no one';
  // ISATAP (RFC 5214): an IPv4 address behind 0:5efe or 200:5efe, under any prefix.
  if (((bytes[8] ?? 0) & 0xfd) === 0 && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe)
    return 'an address that tunnels to another';
  return onLink(address, attached);
}

function onLink(address: IPv4 | IPv6, attached: readonly string[]): string | undefined {
  const near = attached.some((cidr) => {
    const [network, bits] = ipaddr.parseCIDR(cidr);
    return bits > 0 && network.kind() === address.kind() && address.match(network, bits);
  });
  return near ? "an address of this machine's own network" : undefined;
}

/** The networks of this machine's interfaces. */
export function attachedNetworks(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).flatMap(({ cidr }) => (cidr === null ? [] : [cidr])),
  );
}
