/**
 * More than the gateway takes: it refuses early, in the client's protocol, at no cost, and nobody who was let in loses
 * anything.
 */
import { request as httpRequest } from 'node:http';
import { gzipSync } from 'node:zlib';

import { afterEach, describe, expect, it } from 'vitest';

import { OPERATIONS } from '../../src/http/openapi/operations.js';
import { verify } from '../../src/store/proof/verify.js';
import type { Reply } from '../fakes/engine.js';
import { until, type Gateway, type GatewayOptions } from '../fakes/gateway.js';
import { startWhole } from '../fakes/whole.js';

let gateway: Gateway;
const start = async (options: Omit<GatewayOptions, 'deps'> = {}): Promise<Gateway> =>
  (gateway = await startWhole(options));
afterEach(async () => gateway.close());

const ASK = { model: 'gyre', messages: [{ role: 'user', content: 'hi' }] };
const MIB = 1024 * 1024;
const BODIES = Object.entries(OPERATIONS)
  .filter(([, { body }]) => body !== undefined)
  .map(([route]) => route.replace('POST ', ''));

interface Answer {
  readonly status: number;
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
  };
}

/** What a 413 and a 400 say: OpenAI's protocols name them by code, Anthropic's says it in words alone. */
function refusal(path: string, code: string, words: string): object {
  const message: unknown = expect.stringContaining(words);
  return path.startsWith('/v1/messages')
    ? { error: { message } }
    : { error: { code, type: 'invalid_request_error', param: null, message } };
}

/** Sends `mebibytes` of one JSON string piece by piece, as fast as they are taken. */
function pour(
  path: string,
  mebibytes: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer & { readonly sent: number }> {
  return new Promise((resolve, reject) => {
    const piece = Buffer.alloc(MIB, 'x');
    let sent = 0;
    const asked = httpRequest(
      gateway.url + path,
      { method: 'POST', headers: { 'content-type': 'application/json', ...headers } },
      (incoming) => {
        const parts: Buffer[] = [];
        incoming.on('data', (part: Buffer) => parts.push(part));
        incoming.on('end', () => {
          resolve({
            status: incoming.statusCode ?? 0,
            sent,
            ...(JSON.parse(Buffer.concat(parts).toString()) as { error: Answer['error'] }),
          });
          asked.destroy();
        });
      },
    );
    asked.on('error', (fault) => reject(fault)); // after the answer it says nothing new
    const more = (): void => {
      while (sent < mebibytes) {
        sent += 1;
        if (!asked.write(piece)) return void asked.once('drain', more);
      }
      asked.end('"}');
    };
    asked.write('{"model":"');
    more();
  });
}

/** The most memory that was held beyond what there was before, in MiB, while `work` ran. */
async function heldDuring(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage().rss;
  let most = before;
  const looking = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 5);
  await work();
  clearInterval(looking);
  return (Math.max(most, process.memoryUsage().rss) - before) / MIB;
}

describe('a body of 200 MB', () => {
  it.each(BODIES)('to %s is a 413, and most of it is never held', async (path) => {
    await start();
    const answers: Answer[] = [];
    const held = await heldDuring(async () => answers.push(await pour(path, 200)));
    expect(answers[0]).toMatchObject({ status: 413, ...refusal(path, 'request_too_large', '33554432 bytes') });
    expect(held).toBeLessThan(130); // 32 MiB of it, their copy in the socket, and the rest of a busy process
  });

  it.each(BODIES)('that says so before it comes is refused by %s unread', async (path) => {
    await start();
    const answer = await pour(path, 200, { 'content-length': String(200 * MIB) });
    expect(answer).toMatchObject({ status: 413, ...refusal(path, 'request_too_large', '33554432 bytes') });
    expect(answer.sent).toBeLessThan(100);
  });

  it.each(BODIES)('packed into 200 kB is refused by %s as it unfolds', async (path) => {
    await start();
    // Members of a gzip stream may follow each other, so nobody here ever has it unpacked either.
    const member = gzipSync(Buffer.alloc(MIB, ' '));
    const bomb = new Uint8Array(Buffer.concat(Array.from({ length: 200 }, () => member)));
    let answer: Response | undefined;
    const held = await heldDuring(
      async () =>
        (answer = await fetch(gateway.url + path, {
          method: 'POST',
          body: bomb,
          headers: { 'content-encoding': 'gzip' },
        })),
    );
    expect(answer?.status).toBe(413);
    expect(await answer?.json()).toMatchObject(refusal(path, 'request_too_large', '33554432 bytes'));
    expect(held).toBeLessThan(130);
  });
});

it.each(BODIES)('JSON nested 10,000 deep is a 400 of %s', async (path) => {
  await start();
  for (const body of [
    '['.repeat(10_000) + ']'.repeat(10_000),
    `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
    `{"model":"gyre","metadata":${'['.repeat(10_000)}`,
  ]) {
    const response = await fetch(gateway.url + path, { method: 'POST', body });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject(refusal(path, 'invalid_json', 'deeper than 100'));
  }
});

describe('more requests than the gateway answers at once', () => {
  const LIMIT = 4;

  it('are refused with when to come back; those that were let in finish, each with its rows', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const script = async (): Promise<Reply> => {
      await held;
      return { text: 'at last' };
    };
    await start({ config: { 'limits.concurrency': LIMIT }, script });
    const send = (path: string, body: unknown): Promise<Response> =>
      fetch(gateway.url + path, { method: 'POST', body: JSON.stringify(body) });
    const admitted = [
      send('/v1/chat/completions', ASK),
      send('/v1/chat/completions', { ...ASK, stream: true }),
      send('/v1/responses', { model: 'gyre', input: 'hi' }),
      send('/v1/responses', { model: 'gyre', input: 'hi', stream: true }),
    ];
    await until(() => gateway.engine.requests.length === LIMIT, 'those that are let in');

    const refused = await Promise.all(
      Array.from({ length: 60 }, (_, at) =>
        send(
          at % 2 === 0 ? '/v1/chat/completions' : '/v1/responses',
          at % 2 === 0 ? { ...ASK, stream: at % 4 === 0 } : { model: 'gyre', input: 'hi' },
        ),
      ),
    );
    for (const response of refused) {
      expect(response.status).toBe(429);
      expect([
        response.headers.get('retry-after'),
        response.headers.get('retry-after-ms'),
        response.headers.get('x-should-retry'),
      ]).toEqual(['1', '1000', 'true']);
      expect(await response.json()).toMatchObject({
        error: {
          type: 'rate_limit_error',
          code: 'rate_limit_exceeded',
          param: null,
          message: expect.stringContaining('limits.concurrency'),
        },
      });
    }
    expect(gateway.engine.requests).toHaveLength(LIMIT);
    expect(gateway.logged).toHaveLength(LIMIT);
    // Whoever looks after the gateway is answered all the while.
    expect(await (await fetch(`${gateway.url}/health`)).json()).toMatchObject({ status: 'ok', in_flight: LIMIT });

    release();
    for (const response of await Promise.all(admitted)) {
      expect(response.status).toBe(200);
      expect(await response.text()).toContain('at last');
    }
    expect(gateway.app.inFlight()).toBe(0);
    expect(
      gateway.store.sqlite
        .prepare(
          "SELECT (SELECT count(*) FROM responses WHERE outcome = 'completed') AS responses, (SELECT " +
            "count(*) FROM steps WHERE outcome = 'done') AS steps",
        )
        .get(),
    ).toEqual({ responses: LIMIT, steps: LIMIT });
    expect(verify(gateway.store.db).problems).toEqual([]);
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    for (const route of ['/v1/chat/completions', '/v1/responses']) {
      expect(metrics).toContain(`gyre_requests_total{route="${route}",status="429"} 30`);
      expect(metrics).toContain(`gyre_requests_total{route="${route}",status="200"} 2`);
    }
    expect((await send('/v1/chat/completions', ASK)).status).toBe(200);
  });

  it('come back as told and are all answered, with a row for every answer', async () => {
    await start({ config: { 'limits.concurrency': LIMIT }, script: () => ({ text: 'ok', headDelayMs: 5 }) });
    let turnedAway = 0;
    const answered = await Promise.all(
      Array.from({ length: 40 }, async (_, at): Promise<string> => {
        for (;;) {
          const response = await gateway.post({ ...ASK, messages: [{ role: 'user', content: `number ${at}` }] });
          const body = (await response.json()) as { id: string };
          if (response.status === 200) return body.id;
          expect(response.status).toBe(429);
          turnedAway += 1;
          await new Promise((resolve) => setTimeout(resolve, 20)); // sooner than told: there are only forty of them
        }
      }),
    );
    expect(turnedAway).toBeGreaterThan(0);
    expect(new Set(answered).size).toBe(40);
    const rows = gateway.store.sqlite
      .prepare<[], { id: string }>('SELECT id FROM responses')
      .all()
      .map((row) => row.id);
    expect(rows.sort()).toEqual([...answered].sort());
    expect(gateway.engine.requests).toHaveLength(40);
  });
});
