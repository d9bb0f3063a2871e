/**
 * Which proxy a connection to another server takes: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` of the environment, in
 * capitals or not, as curl reads them.
 */
import { BlockList, isIP } from 'node:net';

import { operatorError } from './errors.js';

/** A proxy that speaks HTTP. */
export interface HttpProxy {
  /** Its address, without credentials. */
  readonly url: URL;
  /** What it is to be shown, where it wants credentials. */
  readonly authorization?: string | undefined;
}

/** The proxy for an address; undefined where none is to be used. */
export type ProxyFor = (url: URL) => HttpProxy | undefined;

type Env = Readonly<Record<string, string | undefined>>;

interface Exception {
  readonly host: string;
  readonly port: string;
  readonly network: BlockList | undefined;
}

/** Loopback addresses are this machine, which no proxy reaches. Throws an operator error on what is no address. */
export function proxiesOf(env: Env): ProxyFor {
  const named = (name: string): string => (env[name.toLowerCase()] ?? env[name] ?? '').trim();
  const proxies: Readonly<Record<string, HttpProxy | undefined>> = {
    'http:': proxyAt(named('HTTP_PROXY'), 'HTTP_PROXY'),
    'https:': proxyAt(named('HTTPS_PROXY'), 'HTTPS_PROXY'),
  };
  const exceptions = named('NO_PROXY')
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .map(exceptionOf);
  return (url) => {
    const proxy = proxies[url.protocol];
    if (proxy === undefined) return undefined;
    const host = bare(url.hostname);
    const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
    return isLoopback(host) || exceptions.some((exception) => isExcepted(host, port, exception)) ? undefined : proxy;
  };
}

/** Whether a host, without brackets, is this machine. */
function isLoopback(host: string): boolean {
  if (isIP(host) === 0) return host === 'localhost' || host.endsWith('.localhost');
  return (
    host === '::1' || host === '::' || host === '0.0.0.0' || LOOPBACK.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4')
  );
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addSubnet('::ffff:127.0.0.0', 104, 'ipv6');

function proxyAt(text: string, name: string): HttpProxy | undefined {
  if (text === '') return undefined;
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  // Not quoted: it may hold a password.
  if (!URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol))
    throw operatorError(`the environment variable ${name} is no address of an HTTP proxy, such as http://proxy:3128`);
  const url = new URL(address);
  const { username, password } = url;
  url.username = url.password = '';
  if (username === '' && password === '') return { url };
  const credentials = `${decoded(username)}:${decoded(password)}`;
  return { url, authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
}

/** A password with a percent sign in it that escapes nothing is meant as it stands. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function exceptionOf(entry: string): Exception {
  const [, network = '', bits = ''] = /^([0-9a-f.:]+)\/(\d{1,3})$/i.exec(entry) ?? [];
  const family = isIP(network);
  if (family !== 0 && Number(bits) <= (family === 6 ? 128 : 32)) {
    const list = new BlockList();
    list.addSubnet(network, Number(bits), family === 6 ? 'ipv6' : 'ipv4');
    return { host: '', port: '', network: list };
  }
  const [, host = entry, port = ''] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(entry) ?? [];
  return { host: bare(host).replace(/^\*?\./, ''), port, network: undefined };
}

function isExcepted(host: string, port: string, { host: name, port: only, network }: Exception): boolean {
  if (network !== undefined) return isIP(host) !== 0 && network.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4');
  if (only !== '' && only !== port) return false;
  return name === '*' || host === name || host.endsWith(`.${name}`);
}

function bare(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
}
