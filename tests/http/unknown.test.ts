import { afterAll, beforeAll, expect, test } from 'vitest';

import { type Gateway } from '../fakes/gateway.js';
import { startWhole } from '../fakes/whole.js';

let gateway: Gateway;
beforeAll(async () => void (gateway = await startWhole()));
afterAll(() => gateway.close());

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

test('every path says which methods it takes: its own, never those of a parameter in its place', async () => {
  const routes = gateway.app.routes();
  const beside = ['/v1/responses/compact', '/v1/responses/input_tokens'];
  expect(routes.map(({ path }) => path)).toEqual(expect.arrayContaining(beside));
  for (const path of new Set(routes.map((route) => route.path))) {
    const own = routes.filter((route) => route.path === path).map((route) => route.method);
    for (const method of METHODS.filter((each) => !own.includes(each))) {
      const response = await fetch(gateway.url + path.replace(/\{\w+\}/g, '1'), { method });
      expect([response.status, response.headers.get('allow')], `${method} ${path}`).toEqual([405, own.join(', ')]);
      const { error } = (await response.json()) as { error: { message: string } };
      expect(error.message).toContain(own.join(', '));
    }
  }
}, 60_000);

test('an id with slashes belongs to its route', async () => {
  const response = await fetch(`${gateway.url}/v1/models/vendor/small`, { method: 'PUT' });
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET']);
});

test('HEAD is as GET, and nothing else is', async () => {
  expect((await fetch(`${gateway.url}/v1/responses`, { method: 'HEAD' })).status).toBe(426);
  expect((await fetch(`${gateway.url}/v1/responses/compact`, { method: 'HEAD' })).status).toBe(405);
});
