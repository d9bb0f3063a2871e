/**
 * A client that goes away: the engine and the running tool hear of it every time, and the step is logged as cancelled.
 */
import { connect } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { inTurn, type Reply } from '../fakes/engine.js';
import { startGateway, tool, until, type Gateway, type GatewayOptions } from '../fakes/gateway.js';

let gateway: Gateway;
const start = async (options: GatewayOptions = {}): Promise<Gateway> => (gateway = await startGateway(options));
afterEach(async () => gateway.close());

const ASK = { model: 'gyre', messages: [{ role: 'user' as const, content: 'hi' }] };
const TIMES = 100;

/** Sends a request and leaves as soon as `ready` holds. */
async function leave(body: unknown, ready: () => boolean): Promise<void> {
  const abort = new AbortController();
  const request = gateway
    .post(body, { signal: abort.signal })
    .then((response) => response.text())
    .catch(() => undefined);
  await until(ready, 'the moment to leave');
  abort.abort();
  await request;
}

describe('a client that leaves', () => {
  it.each<[string, Reply, boolean, number]>([
    ['a whole answer before its first byte', { silent: true }, false, 0],
    ['a stream before its first byte', { silent: true }, true, 0],
    ['a whole answer in the middle', { text: 'one two three', stall: 2 }, false, 1],
    ['a stream in the middle', { text: 'one two three', stall: 2 }, true, 1],
  ])('%s stops the engine, a hundred times of a hundred', async (_name, reply, stream, sampled) => {
    await start({ script: inTurn(reply) });
    for (let time = 1; time <= TIMES; time += 1) {
      await leave({ ...ASK, stream }, () => gateway.engine.requests.length === time);
      await until(() => gateway.engine.aborts === time, `abort ${time} at the engine`);
      await until(() => gateway.logged[time - 1]?.ending !== undefined, 'the end in the log');
    }
    expect(gateway.engine.aborts).toBe(TIMES);
    expect(gateway.logged.map((entry) => entry.ending?.outcome)).toEqual(Array(TIMES).fill('cancelled'));
    expect(
      gateway.logged.every(
        (entry) =>
          entry.steps.length === 1 &&
          entry.steps[0]?.outcome === 'cancelled' &&
          entry.steps[0].notTrainable === 'cancelled',
      ),
    ).toBe(true);
    if (sampled === 0) expect(gateway.logged.every((entry) => entry.steps[0]?.action === undefined)).toBe(true);
    expect(gateway.app.inFlight()).toBe(0);
    expect(gateway.serving.inFlight(0)).toBe(0);
  });

  it.each([false, true])(
    'while a tool runs stops the tool, a hundred times of a hundred (stream: %s)',
    async (stream) => {
      let running = 0;
      let stopped = 0;
      await start({
        script: inTurn({ text: 'wait', calls: [{ name: 'slow', arguments: '{}' }] }),
        config: { 'tools.default': ['slow'] },
        tools: [
          tool(
            'slow',
            (_args, signal) =>
              new Promise((_resolve, reject) => {
                running += 1;
                signal.addEventListener('abort', () => {
                  stopped += 1;
                  reject(new Error('stopped'));
                });
              }),
          ),
        ],
      });
      for (let time = 1; time <= TIMES; time += 1) {
        await leave({ ...ASK, stream }, () => running === time);
        await until(() => stopped === time, `abort ${time} at the tool`);
        await until(() => gateway.logged[time - 1]?.ending !== undefined, 'the end in the log');
      }
      expect(gateway.engine.requests).toHaveLength(TIMES);
      expect(
        gateway.logged.every(
          (entry) => entry.ending?.outcome === 'cancelled' && entry.steps[0]?.outcome === 'cancelled',
        ),
      ).toBe(true);
      expect(gateway.logged[0]?.steps[0]?.calls[0]?.observation?.error).toBe('cancelled');
    },
  );

  it('keeps what was sampled until then in the log', async () => {
    await start({ script: inTurn({ text: ['one', ' two', ' three'], stall: 3 }) });
    let read = '';
    const abort = new AbortController();
    const response = await gateway.post({ ...ASK, stream: true }, { signal: abort.signal });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    while (!read.includes(' two')) read += (await reader?.read())?.value ?? '';
    abort.abort();
    await until(() => gateway.logged[0]?.ending !== undefined, 'the end in the log');
    expect(gateway.logged[0]?.steps[0]?.action).toMatchObject({ text: 'one two', cut: true });
    expect(gateway.logged[0]?.steps[0]?.action?.tokenIds).toHaveLength(2);
    expect(gateway.logged[0]?.ending?.usage.completion_tokens).toBe(2);
  });
});

describe('a stream that is slow', () => {
  it('is kept open by comments before the first token and while a tool runs', async () => {
    let finish = (): void => undefined;
    await start({
      script: (_request, number) =>
        number === 0 ? { headDelayMs: 60, calls: [{ name: 'slow', arguments: '{}' }] } : { text: 'done' },
      config: { 'tools.default': ['slow'] },
      tools: [tool('slow', () => new Promise((resolve) => (finish = () => resolve('x'))))],
      deps: { pace: { keepaliveMs: 15 } },
    });
    const response = await gateway.post({ ...ASK, stream: true });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let raw = '';
    const read = async (has: (text: string) => boolean): Promise<void> => {
      while (!has(raw)) raw += (await reader?.read())?.value ?? '';
    };
    await read((text) => text.includes('"role"'));
    expect(raw.indexOf(': ping')).toBeGreaterThanOrEqual(0);
    expect(raw.indexOf(': ping')).toBeLessThan(raw.indexOf('"role"'));
    await read((text) => text.includes('tool.started') && text.slice(text.indexOf('tool.started')).includes(': ping'));
    finish();
    await read((text) => text.includes('[DONE]'));
    expect(raw.slice(raw.indexOf('tool.started'))).toContain('"content":"done"');
    expect(
      raw.split('\n\n').every((frame) => frame === '' || frame.startsWith('data: ') || frame.startsWith(': ')),
    ).toBe(true);
  });

  it('turns an early failure into an error event once a comment has gone out', async () => {
    await start({ script: inTurn({ headDelayMs: 80, status: 500 }), deps: { pace: { keepaliveMs: 10 } } });
    const response = await gateway.post({ ...ASK, stream: true });
    expect(response.status).toBe(200);
    const raw = await response.text();
    expect(raw).toContain('"code":"engine_error"');
    expect(raw).not.toContain('[DONE]');
  });

  it('whose reader stops is ended by a deadline, and the engine is not drained meanwhile', async () => {
    const choice = { index: 0, delta: { content: 'x'.repeat(100_000) }, finish_reason: null };
    const event = `data: ${JSON.stringify({ id: 'x', choices: [choice] })}\n\n`;
    const deltas = Array.from({ length: 1_000 }, () => event);
    await start({ script: inTurn({ deltas }), deps: { pace: { slowReaderMs: 150 } } });
    const { port } = new URL(gateway.url);
    const socket = connect(Number(port), '127.0.0.1');
    const body = JSON.stringify({ ...ASK, stream: true });
    socket.write(
      'POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: ' +
        `application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    socket.pause();
    await until(() => gateway.logged[0]?.ending !== undefined, 'the deadline');
    await until(() => gateway.engine.aborts === 1, 'the abort at the engine');
    expect(gateway.logged[0]?.ending?.outcome).toBe('cancelled');
    const sent = gateway.logged[0]?.steps[0]?.action?.text.length ?? 0;
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(50_000_000);
    socket.destroy();
  });

  it('forwards each token at once', async () => {
    await start({ script: inTurn({ text: 'one two', stall: 2 }) });
    const response = await gateway.post({ ...ASK, stream: true, tools: [{ type: 'gyre:calculator' }] });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let raw = '';
    while (!raw.includes('"content":"one"')) raw += (await reader?.read())?.value ?? '';
    await reader?.cancel();
  });
});
