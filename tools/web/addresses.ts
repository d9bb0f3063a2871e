/**
 * Which IP addresses belong to the public internet. Whatever does not, or could stand for one that does not, is
 * refused.
 */
import ipaddr, { type IPv4, type IPv6 } from 'ipaddr.js';
import { networkInterfaces } from 'node:os';

/** Public by its number, and yet what a cloud tells its own machines. */
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
  if (parsed.kind() === 'ipv4') return ofFour(parsed as IPv4, attached);
  return ofSix(parsed as IPv6, attached);
}

function ofFour(address: IPv4, attached: readonly string[]): string | undefined {
  const range = address.range();
  if (range !== 'unicast') return `an address of the range "${range}"`;
  return METADATA[address.toString()] ?? onLink(address, attached);
}

function ofSix(address: IPv6, attached: readonly string[]): string | undefined {
  const range = address.range();
  // A translated address is what it is translated to. NAT64's own prefix is how a network without IPv4 reaches the
  // rest.
  if (range === 'ipv4Mapped') return ofFour(address.toIPv4Address(), attached);
  const bytes = address.toByteArray();
  if (range === 'rfc6052' && address.match(ipaddr.IPv6.parse('64:ff9b::'), 96))
    return ofFour(new ipaddr.IPv4(bytes.slice(12)), attached);
  if (range !== 'unicast') return `an address of the range "${range}"`;
  // Only 2000::/3 is given out; the rest is what nobody has named yet, `::a.b.c.d` among it.
  if (((bytes[0] ?? 0) & 0xe0) !== 0x20) return 'an address that is given to no one';
  // ISATAP: an IPv4 address behind 0:5efe or 200:5efe, under any prefix.
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
