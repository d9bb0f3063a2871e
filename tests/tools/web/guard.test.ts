/** The guard: what a policy can make this machine connect to, and what it cannot, however it is spelled. */
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';

import { GyreError } from '../../../src/core/errors.js';
import { attachedNetworks, notPublic } from '../../../tools/web/addresses.js';
import { checked, type Network } from '../../../tools/web/guard.js';

/** A network without one: whoever gets as far as a resolver is told which addresses there are. */
const naming = (addresses: readonly string[], attached: readonly string[] = []): Network => ({
  resolve: () => Promise.resolve(addresses),
  connect: () => {
    throw new Error('the guard must not connect');
  },
  attached: () => attached,
});
const PUBLIC = naming(['93.184.216.34']);

const refused = async (url: string, network: Network = PUBLIC): Promise<string> => {
  const fault: unknown = await checked(url, network).then(
    ({ addresses }) => `was let through to ${addresses.join(', ')}`,
    (thrown: unknown) => thrown,
  );
  expect(fault, url).toBeInstanceOf(GyreError);
  expect((fault as GyreError).side, url).toBe('client');
  return (fault as GyreError).message;
};

describe('an address given by number', () => {
  it.each([
    // Ranges of IPv4, at their edges.
    '0.0.0.0',
    '0.255.255.255',
    '10.0.0.0',
    '10.255.255.255',
    '100.64.0.0',
    '100.127.255.255',
    '100.100.100.200',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.192',
    '192.0.2.1',
    '192.88.99.1',
    '192.168.0.1',
    '192.168.255.255',
    '198.18.0.1',
    '198.19.255.255',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '239.255.255.255',
    '240.0.0.1',
    '255.255.255.255',
    '168.63.129.16',
    // Other spellings of the same.
    '2130706433',
    '0x7f000001',
    '017700000001',
    '127.1',
    '127.0.1',
    '0x7f.1',
    '0177.0.0.1',
    '0x7F.0x0.0x0.0x1',
    '127.0.0.1.',
    '0',
    '00',
    '0x0',
    '3232235777',
    '192.168.257',
    '0xa9fea9fe',
    '2852039166',
    '0251.0376.0251.0376',
    '169.254.43518',
    '%31%32%37.0.0.1',
    '１２７.０.０.１',
    '①②⑦.0.0.1',
    '127。0。0。1',
    '127．0．0．1',
    // IPv6.
    '[::]',
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::ffff:0:127.0.0.1]',
    '[0:0:0:0:0:ffff:a9fe:a9fe]',
    '[::127.0.0.1]',
    '[::7f00:1]',
    '[::a9fe:a9fe]',
    '[64:ff9b::127.0.0.1]',
    '[64:ff9b::a9fe:a9fe]',
    '[64:ff9b::10.0.0.1]',
    '[64:ff9b:1::8.8.8.8]',
    '[2002:7f00:1::]',
    '[2002:a9fe:a9fe::1]',
    '[2002:808:808::]',
    '[2001:0:7f00:1::]',
    '[2001::1]',
    '[fe80::1]',
    '[febf::1]',
    '[fec0::1]',
    '[fc00::1]',
    '[fd00:ec2::254]',
    '[fd20:ce::254]',
    '[ff02::1]',
    '[100::1]',
    '[2001:db8::1]',
    '[2001:2::1]',
    '[2001:10::1]',
    '[2001:20::1]',
    '[3fff::1]',
    '[5f00::1]',
    '[4000::1]',
    '[1::1]',
    '[2606:4700:0:0:0:5efe:7f00:1]',
    '[2606:4700:0:0:200:5efe:a00:1]',
  ])('http://%s is refused', async (host) => {
    await refused(`http://${host}/`);
    await refused(`https://${host}/latest/meta-data/`);
  });

  it.each([
    ['http://93.184.216.34/', '93.184.216.34'],
    ['http://1572395042/', '93.184.216.34'],
    ['http://8.8.8.8:8080/', '8.8.8.8'],
    ['http://100.63.255.255/', '100.63.255.255'],
    ['http://100.128.0.1/', '100.128.0.1'],
    ['http://172.15.255.255/', '172.15.255.255'],
    ['http://172.32.0.1/', '172.32.0.1'],
    ['https://[2606:4700::1111]/', '2606:4700::1111'],
    ['http://[::ffff:8.8.8.8]/', '::ffff:808:808'],
    ['http://[64:ff9b::808:808]/', '64:ff9b::808:808'],
  ])('%s is let through, and to nothing but %s', async (url, address) => {
    expect((await checked(url, PUBLIC)).addresses).toEqual([address]);
  });

  it('is refused in every spelling of every private IPv4 address', async () => {
    const part = fc.integer({ min: 0, max: 255 });
    const inside = fc.oneof(
      fc.tuple(fc.constant(10), part, part, part),
      fc.tuple(fc.constant(127), part, part, part),
      fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), part, part),
      fc.tuple(fc.constant(192), fc.constant(168), part, part),
      fc.tuple(fc.constant(169), fc.constant(254), part, part),
      fc.tuple(fc.constant(100), fc.integer({ min: 64, max: 127 }), part, part),
      fc.tuple(fc.integer({ min: 224, max: 255 }), part, part, part),
    );
    const style = fc.constantFrom<(value: number) => string>(
      (value) => String(value),
      (value) => `0x${value.toString(16)}`,
      (value) => `0X${value.toString(16).toUpperCase()}`,
      (value) => `0${value.toString(8)}`,
      (value) => `000${value.toString(8)}`,
    );
    await fc.assert(
      fc.asyncProperty(
        inside,
        fc.integer({ min: 1, max: 4 }),
        fc.array(style, { minLength: 4, maxLength: 4 }),
        fc.boolean(),
        fc.constantFrom('', '.'),
        async (bytes, parts, styles, secure, dot) => {
          // The last of n parts stands for all bytes that are left.
          const values = [
            ...bytes.slice(0, parts - 1),
            bytes.slice(parts - 1).reduce((sum, byte) => sum * 256 + byte, 0),
          ];
          const spelled = values.map((value, at) => styles[at]?.(value)).join('.');
          await refused(`${secure ? 'https' : 'http'}://${spelled}${dot}/`);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('is refused when any IPv6 form carries a private IPv4 address', async () => {
    const inside = fc.oneof(
      fc.tuple(fc.constantFrom(10, 127), fc.nat(255), fc.nat(255), fc.nat(255)),
      fc.tuple(fc.constant(192), fc.constant(168), fc.nat(255), fc.nat(255)),
      fc.tuple(fc.constant(169), fc.constant(254), fc.nat(255), fc.nat(255)),
    );
    const form = fc.constantFrom<(hex: string, dotted: string) => string>(
      (_, dotted) => `::ffff:${dotted}`,
      (hex) => `::ffff:${hex}`,
      (_, dotted) => `::${dotted}`,
      (hex) => `64:ff9b::${hex}`,
      (hex) => `2002:${hex}::1`,
      (hex) => `2001:0:${hex}::`,
      (hex) => `2a00:1450:4001:800:0:5efe:${hex}`,
    );
    await fc.assert(
      fc.asyncProperty(inside, form, async ([a, b, c, d], shape) => {
        const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
        const address = shape(hex, `${a}.${b}.${c}.${d}`);
        await refused(`http://[${address}]/`);
        // And the same as an answer of a resolver.
        await refused('http://page.example.org/', naming([address]));
      }),
      { numRuns: 300 },
    );
  });

  it('agrees with the table of the library on every random address', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(notPublic(address, []) === undefined).toBe(
          ipaddr.IPv4.parse(address).range() === 'unicast' && address !== '168.63.129.16',
        );
      }),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const parsed = ipaddr.IPv6.parse(address);
        if (notPublic(address, []) === undefined)
          expect(['unicast', 'ipv4Mapped', 'rfc6052']).toContain(parsed.range());
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a host name', () => {
  it.each([
    'localhost',
    'LOCALHOST',
    'localhost.',
    'a.localhost',
    'intranet',
    'router.lan',
    'printer.local',
    'metadata.google.internal',
    'METADATA.google.INTERNAL',
    'metadata.google.internal.',
    'db.home.arpa',
    'x.onion',
    'localhost.localdomain',
    'ⓛocalhost',
  ])('%s is no public host, whatever a resolver says', async (host) => {
    expect(await refused(`http://${host}/`)).toContain('is no public host');
  });

  it.each([
    ['127.0.0.1'],
    ['10.1.2.3'],
    ['169.254.169.254'],
    ['::1'],
    ['fd00::1'],
    ['::ffff:192.168.1.1'],
    ['fe80::1'],
    ['0.0.0.0'],
  ])('that leads to %s is refused, and the answer does not say where it leads', async (address) => {
    const message = await refused('http://page.example.org/', naming([address]));
    expect(message).not.toContain(address);
    expect(message).toContain('Only public addresses');
  });

  it('is refused when one of many addresses is private', async () => {
    await refused('http://page.example.org/', naming(['93.184.216.34', '2606:4700::1111', '10.0.0.1']));
    expect((await checked('http://page.example.org/', naming(['93.184.216.34', '2606:4700::1111']))).addresses).toEqual(
      ['93.184.216.34', '2606:4700::1111'],
    );
  });

  it('that is not found, or has no address, is said to be so', async () => {
    await expect(checked('http://page.example.org/', naming([]))).rejects.toThrow(
      'the host "page.example.org" has no address',
    );
    const failing: Network = {
      ...PUBLIC,
      resolve: () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })),
    };
    await expect(checked('http://page.example.org/', failing)).rejects.toThrow(
      'the host "page.example.org" was not found (ENOTFOUND)',
    );
  });

  it('in another script is shown as what it is', async () => {
    // A Cyrillic "а".
    const place = await checked('https://аpple.com/', PUBLIC);
    expect(place.url.href).toBe('https://xn--pple-43d.com/');
    expect(await refused('https://аpple.com/', naming(['10.0.0.1']))).toContain('xn--pple-43d.com');
  });

  it('is looked up in lower case, without its final dot', async () => {
    const asked: string[] = [];
    const network: Network = { ...PUBLIC, resolve: (host) => Promise.resolve((asked.push(host), ['93.184.216.34'])) };
    await checked('http://Page.EXAMPLE.org./', network);
    expect(asked).toEqual(['page.example.org']);
  });
});

describe('an address as a whole', () => {
  it.each([
    'file:///etc/passwd',
    'ftp://example.com/',
    'gopher://example.com/',
    'data:text/html,hi',
    'javascript:alert(1)',
    'ws://example.com/',
    'not an address',
    '',
    '//example.com/',
    'http://',
    'http://[fe80::1%25eth0]/',
    'http://exa mple.com/',
  ])('%j is refused', async (url) => {
    await refused(url);
  });

  it('with a user name or a password is refused, and neither is repeated', async () => {
    for (const url of [
      'http://user@example.com/',
      'http://user:hunter22@example.com/',
      'http://:hunter22@example.com/',
      'http://example.com@127.0.0.1/',
    ]) {
      expect(await refused(url)).not.toContain('hunter22');
    }
  });

  it.each([
    [22, false],
    [25, false],
    [81, false],
    [443, true],
    [80, true],
    [993, false],
    [1023, false],
    [1024, true],
    [3000, true],
    [6379, false],
    [6667, false],
    [8080, true],
    [8443, true],
    [11211, false],
    [65535, true],
  ])('port %i: %s', async (port, allowed) => {
    if (allowed) expect((await checked(`http://example.com:${port}/`, PUBLIC)).url.host).toContain('example.com');
    else expect(await refused(`http://example.com:${port}/`)).toContain(`port ${port}`);
  });

  it('that is very long is refused', async () => {
    expect(await refused(`http://example.com/${'a'.repeat(3_000)}`)).toContain('3019 characters');
  });

  it('keeps path and query, and loses its fragment', async () => {
    expect((await checked('http://example.com/a?b=c#d', PUBLIC)).url.href).toBe('http://example.com/a?b=c');
  });
});

describe("this machine's own networks", () => {
  it('are refused though their addresses are public', async () => {
    await refused('http://93.184.216.34/', naming([], ['93.184.216.0/24']));
    await refused('http://page.example.org/', naming(['2606:4700::1111'], ['2606:4700::1/64']));
    expect(
      (await checked('http://93.184.217.34/', naming([], ['93.184.216.0/24', '2606:4700::1/64', '0.0.0.0/0'])))
        .addresses,
    ).toHaveLength(1);
  });

  it('are those of its interfaces', () => {
    const own = Object.values(networkInterfaces())
      .flat()
      .map((each) => each?.address ?? '');
    for (const address of own) expect(notPublic(address.replace(/%.*/, ''), attachedNetworks())).toBeDefined();
    expect(own.length).toBeGreaterThan(0);
  });
});
