import { afterAll, beforeAll, expect, test } from 'vitest';

import { type Gateway, startGateway } from '../../fakes/gateway.js';

let gateway: Gateway;
beforeAll(async () => void (gateway = await startGateway()));
afterAll(() => gateway.close());

interface Failure {
  readonly type?: string;
  readonly error: { readonly message: string; readonly code?: string };
}

test.each([
  ['/chat/completions', '/v1/chat/completions', '/v1'],
  ['/chat/completions/', '/v1/chat/completions', '/v1'],
  ['/v1/chat/completions/', '/v1/chat/completions', '/v1'],
  ['//v1/chat/completions', '/v1/chat/completions', '/v1'],
  ['/v1//chat/completions', '/v1/chat/completions', '/v1'],
  ['/v1/v1/chat/completions', '/v1/chat/completions', '/v1'],
  ['/v1/v1/v1/chat/completions', '/v1/chat/completions', '/v1'],
  ['/openai/v1/chat/completions', '/v1/chat/completions', '/v1'],
  ['/v1/chat/completions/chat/completions', '/v1/chat/completions', '/v1'],
  ['/responses', '/v1/responses', '/v1'],
  ['/v1%2Fchat%2fcompletions', '/v1/chat/completions', '/v1'],
  ['/completions', '/v1/completions', '/v1'],
  ['/v1/completions/', '/v1/completions', '/v1'],
  ['/embeddings', '/v1/embeddings', '/v1'],
  ['/feedback', '/v1/feedback', '/v1'],
  ['/messages', '/v1/messages', ''],
  ['/v1/v1/messages', '/v1/messages', ''],
  ['/v1/messages/', '/v1/messages', ''],
  ['/messages/count_tokens', '/v1/messages/count_tokens', ''],
])('POST %s is told what was meant', async (path, meant, base) => {
  const response = await fetch(gateway.url + path, { method: 'POST', body: '{}' });
  expect(response.status).toBe(404);
  const failure = (await response.json()) as Failure;
  expect(failure.error.message).toBe(
    `Unknown request URL: POST ${path}. Did you mean POST ${meant}? Set the base URL to ${gateway.url}${base}`,
  );
  // In the shape of the protocol that was meant.
  expect(failure.type).toBe(meant.startsWith('/v1/messages') ? 'error' : undefined);
});

test.each([
  ['/models', 'GET /v1/models?'],
  ['/v1/models/', 'GET /v1/models?'],
  ['/models/gyre', 'GET /v1/models/gyre?'],
  ['//v1//models//gyre/', 'GET /v1/models/gyre?'],
  ['/chat/completions', 'POST /v1/chat/completions?'],
  ['/health/', 'GET /health?'],
  ['/gyre/v1/trajectories/', 'GET /gyre/v1/trajectories?'],
])('GET %s is told what was meant', async (path, meant) => {
  const response = await fetch(gateway.url + path);
  expect(response.status).toBe(404);
  expect(((await response.json()) as Failure).error.message).toContain(`Did you mean ${meant}`);
});

test.each(['/v1/elsewhere', '/', '/v1', '/v2/chat', '/v1/chat', '/v1/chat/completionss'])(
  'nothing is made up for %s',
  async (path) => {
    const response = await fetch(gateway.url + path, { method: 'POST', body: '{}' });
    expect(response.status).toBe(404);
    expect(((await response.json()) as Failure).error.message).toMatch(/GET \/openapi\.json lists the routes\.$/);
  },
);
