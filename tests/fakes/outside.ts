/**
 * An outside for the guard: host names with public addresses that all lead to one real server on this machine. What was
 * resolved and which address was dialled can be looked at.
 */
import { createServer as createPlain, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecure } from 'node:https';
import type { AddressInfo } from 'node:net';

import { buildConnector } from 'undici';

import type { Network } from '../../tools/web/guard.js';

export interface Outside {
  readonly network: Network;
  /** Where it listens on this machine. */
  readonly port: number;
  /** Addresses by host name; a function is asked each time, with how often it was asked before. */
  readonly hosts: Map<string, readonly string[] | ((asked: number) => readonly string[])>;
  readonly resolved: string[];
  readonly dialled: { readonly address: string; readonly port: string; readonly servername: string | undefined }[];
  /** Requests that arrived, as `host path`. */
  readonly requests: { readonly to: string; readonly headers: IncomingMessage['headers'] }[];
  answer: (incoming: IncomingMessage, outgoing: ServerResponse) => void;
  /** Public addresses at which nothing listens. */
  readonly dead: Set<string>;
  close(): Promise<void>;
}

/** Of example.com, once; any public address would do. */
export const PUBLIC = '93.184.216.34';

export async function startOutside(
  options: { readonly tls?: boolean; readonly attached?: readonly string[] } = {},
): Promise<Outside> {
  const { tls = false } = options;
  const listener = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    outside.requests.push({ to: `${incoming.headers.host ?? ''} ${incoming.url ?? ''}`, headers: incoming.headers });
    outside.answer(incoming, outgoing);
  };
  const server: Server = tls ? createSecure({ key: KEY, cert: CERTIFICATE }, listener) : createPlain(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const port = String((server.address() as AddressInfo).port);
  const dial = buildConnector({ ...(tls ? { ca: CERTIFICATE } : {}), timeout: 2_000 });
  const asked = new Map<string, number>();
  const outside: Outside = {
    port: Number(port),
    hosts: new Map(),
    resolved: [],
    dialled: [],
    requests: [],
    dead: new Set(),
    answer: (_incoming, outgoing) => outgoing.writeHead(200, { 'content-type': 'text/plain' }).end('hello'),
    network: {
      resolve: (host) => {
        outside.resolved.push(host);
        const known = outside.hosts.get(host);
        if (known === undefined) return Promise.reject(Object.assign(new Error('not found'), { code: 'ENOTFOUND' }));
        const before = asked.get(host) ?? 0;
        asked.set(host, before + 1);
        return Promise.resolve(typeof known === 'function' ? known(before) : known);
      },
      connect: (to, callback) => {
        outside.dialled.push({ address: to.hostname, port: to.port, servername: to.servername });
        if (outside.dead.has(to.hostname)) callback(new Error(`nothing listens at ${to.hostname}`), null);
        else dial({ ...to, hostname: '127.0.0.1', port }, callback);
      },
      attached: () => options.attached ?? [],
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return outside;
}

/** Self-signed for page.example.org; protects nothing. */
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBqjCCAVCgAwIBAgIUWBFsJ1f/Mt3TCuIUrCBJ0RfcMyQwCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQcGFnZS5leGFtcGxlLm9yZzAgFw0yNjExMjYwMzAyMTVaGA8y
MTI2MTEwMjAzMDIxNVowGzEZMBcGA1UEAwwQcGFnZS5leGFtcGxlLm9yZzBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABGp4Cp/65nsjRB809OhstvbIIWPrG4Mhp7VS
7dk5eCuOGLlPLx8p66Uqn1VdhdrSM2Ym/O3n7zWeatjVxmo9QFujcDBuMB0GA1Ud
DgQWBBSzZ7bk1qLK0vx/gqUxKUrqaXWf5DAfBgNVHSMEGDAWgBSzZ7bk1qLK0vx/
gqUxKUrqaXWf5DAPBgNVHRMBAf8EBTADAQH/MBsGA1UdEQQUMBKCEHBhZ2UuZXhh
bXBsZS5vcmcwCgYIKoZIzj0EAwIDSAAwRQIhAPeBzWuxGflX0Dy8BjiT46awlzlj
Sl2R+7hpwDsO4fubAiBSUCMTBLJpRIkPVoUDMA3kBMHwiULpHeLpLsoxNuF+xg==
-----END CERTIFICATE-----
`;
export const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg7L3Rh1NzKGhg/CBP
ClHQBzQ/gySRqF2dOKb1qZ5sGGehRANCAARqeAqf+uZ7I0QfNPTobLb2yCFj6xuD
Iae1Uu3ZOXgrjhi5Ty8fKeulKp9VXYXa0jNmJvzt5+81nmrY1cZqPUBb
-----END PRIVATE KEY-----
`;
