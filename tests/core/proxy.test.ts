/** Which proxy the environment names for an address. */
import { expect, it } from 'vitest';

import { proxiesOf } from '../../src/core/proxy.js';

const PROXY = 'http://proxy.example:3128';

it.each<[string, Readonly<Record<string, string>>, string | undefined]>([
  ['http://api.example/', { HTTP_PROXY: PROXY }, PROXY],
  ['http://api.example/', { http_proxy: PROXY }, PROXY],
  ['https://api.example/', { HTTPS_PROXY: PROXY }, PROXY],
  ['https://api.example/', { https_proxy: PROXY, HTTPS_PROXY: 'http://other.example' }, PROXY],
  ['https://api.example/', { HTTP_PROXY: PROXY }, undefined],
  ['http://api.example/', { HTTP_PROXY: '' }, undefined],
  ['http://api.example/', { HTTP_PROXY: 'proxy.example:3128' }, PROXY],
  ['http://localhost:8000/', { HTTP_PROXY: PROXY }, undefined],
  ['http://a.localhost/', { HTTP_PROXY: PROXY }, undefined],
  ['http://127.1.2.3/', { HTTP_PROXY: PROXY }, undefined],
  ['http://[::1]:8000/', { HTTP_PROXY: PROXY }, undefined],
  ['http://api.example/', { HTTP_PROXY: PROXY, NO_PROXY: '*' }, undefined],
  ['http://api.example/', { HTTP_PROXY: PROXY, NO_PROXY: 'other, api.example' }, undefined],
  ['http://api.example/', { HTTP_PROXY: PROXY, no_proxy: '.example' }, undefined],
  ['http://api.example/', { HTTP_PROXY: PROXY, no_proxy: 'example' }, undefined],
  ['http://api.example/', { HTTP_PROXY: PROXY, no_proxy: '*.example' }, undefined],
  ['http://notexample/', { HTTP_PROXY: PROXY, no_proxy: 'example' }, PROXY],
  ['http://api.example:8080/', { HTTP_PROXY: PROXY, NO_PROXY: 'api.example:8080' }, undefined],
  ['http://api.example/', { HTTP_PROXY: PROXY, NO_PROXY: 'api.example:8080' }, PROXY],
  ['http://10.1.2.3/', { HTTP_PROXY: PROXY, NO_PROXY: '10.0.0.0/8' }, undefined],
  ['http://11.1.2.3/', { HTTP_PROXY: PROXY, NO_PROXY: '10.0.0.0/8' }, PROXY],
  ['http://[fd00::1]/', { HTTP_PROXY: PROXY, NO_PROXY: 'fd00::/8' }, undefined],
])('%s with %o goes through %s', (url, env, proxy) => {
  expect(proxiesOf(env)(new URL(url))?.url.origin).toBe(proxy);
});

it('shows credentials to the proxy, and keeps them out of its address', () => {
  const proxy = proxiesOf({ HTTP_PROXY: 'http://me:p%40ss@proxy.example:3128' })(new URL('http://api.example'));
  expect(proxy?.url.href).toBe('http://proxy.example:3128/');
  expect(proxy?.authorization).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`);
});

it.each(['socks5://proxy.example', 'http://', 'ftp://secret@proxy.example'])('%s is refused, unquoted', (text) => {
  expect(() => proxiesOf({ HTTPS_PROXY: text })).toThrow(
    'the environment variable HTTPS_PROXY is no address of an HTTP proxy',
  );
  expect(() => proxiesOf({ HTTPS_PROXY: text })).not.toThrow(/secret/);
});

it('a password with a percent sign that escapes nothing is meant as it stands', () => {
  const proxy = proxiesOf({ HTTP_PROXY: 'http://ann:100%zz@proxy:3128' })(new URL('http://far.example'));
  expect(proxy?.authorization).toBe(`Basic ${Buffer.from('ann:100%zz').toString('base64')}`);
});
