/**
 * What a serving gateway says: to a person as lines, to a program as JSON, and in a child process over its real
 * streams.
 */
import { afterEach, describe, expect, it } from 'vitest';

import { VERSION } from '../../../src/run/machine.js';
import { redactorOf } from '../../../src/core/text/redact.js';
import { openOutput } from '../../../src/run/lines/output.js';
import { FIELDS } from '../../../src/run/lines/fields.js';
import { type Engine, inTurn, startEngine } from '../../fakes/engine.js';
import { type Serving, startServe } from '../../fakes/serve.js';

const captured = (): { readonly text: () => string; write(text: string): void } => {
  let all = '';
  return { text: () => all, write: (text) => void (all += text) };
};

describe('at a terminal', () => {
  it('a warning and an event are plain lines, and what has no words for a person is not said', async () => {
    const [stdout, stderr] = [captured(), captured()];
    const output = await openOutput({}, { stdout, stderr: { write: stderr.write, isTTY: true } });
    output.line('ready http://127.0.0.1:1');
    output.warn('something is odd');
    output.event('swap', { from: 1, to: 2 }, 'serving version 2 (before: 1)');
    output.event('ready', { url: 'http://127.0.0.1:1' });
    expect(stdout.text()).toBe('ready http://127.0.0.1:1\n');
    expect(stderr.text()).toBe('something is odd\nserving version 2 (before: 1)\n');
    expect(output.requests).toBeUndefined();
  });

  it('what others said moves no cursor, sets no title and begins no line of its own', async () => {
    const stderr = captured();
    const output = await openOutput({ GYRE_LOG: 'text' }, { stdout: captured(), stderr });
    output.warn('it said last: \u001b[2J\u001b]0;owned\u0007 \u009b31m \u202egnp.exe\r\nlog: all is well \u2028!');
    output.event('cycle', {}, 'learning cycle c: failed, \u001b[31mengine');
    expect(stderr.text()).toBe(
      'it said last: \\u001b[2J\\u001b]0;owned\\u0007 \\u009b31m \\u202egnp.exe' +
        '\\u000d\\u000alog: all is well \\u2028!\n' +
        'learning cycle c: failed, \\u001b[31mengine\n',
    );
  });

  it.each([
    ['warn', 'odd\n'],
    ['error', ''],
    ['silent', ''],
    ['info', 'odd\nswapped\n'],
  ])('the level %s says only so much', async (level, said) => {
    const stderr = captured();
    const output = await openOutput({ GYRE_LOG: 'text', GYRE_LOG_LEVEL: level }, { stdout: captured(), stderr });
    output.warn('odd');
    output.event('swap', {}, 'swapped');
    expect(stderr.text()).toBe(said);
  });

  it('the level debug tells every request', async () => {
    const stderr = captured();
    const output = await openOutput({ GYRE_LOG: 'text', GYRE_LOG_LEVEL: 'debug' }, { stdout: captured(), stderr });
    const watch = output.requests?.arrived(
      { requestId: 'r', startedAt: 0, header: () => undefined },
      '/v1/chat/completions',
    );
    watch?.closed(401, 'delivered');
    expect(stderr.text()).toMatch(/^POST \/v1\/chat\/completions 401 [\d.]+ ms: refused, delivered\n$/);
  });

  it('what is to be redacted is on no line, whoever quotes it, however it is spelled', async () => {
    const stderr = captured();
    const output = await openOutput(
      { GYRE_LOG: 'text', GYRE_LOG_LEVEL: 'debug' },
      { stdout: captured(), stderr },
      redactorOf(['ann@x\\.org']),
    );
    output.warn('the log failed to write: Unexpected token in {"to":"\\u0061nn@x.org"');
    output.event('cycle', { reason: 'ann@x.org' }, 'cycle failed: no ann@x.org');
    expect(stderr.text()).toBe(
      'the log failed to write: Unexpected token in {"to":"[redacted]"\ncycle failed: no [redacted]\n',
    );
  });

  it.each([
    ['GYRE_LOG', 'xml', 'json, text'],
    ['GYRE_LOG_LEVEL', 'loud', 'debug, info, warn, error, silent'],
  ])('%s=%s is refused in a sentence', async (name, value, words) => {
    await expect(openOutput({ [name]: value }, { stdout: captured(), stderr: captured() })).rejects.toThrow(
      `the environment variable ${name} is "${value}"; it must be one of ${words}, or unset`,
    );
  });
});

describe('a gateway whose standard error is read by a program', () => {
  let engine: Engine;
  let serving: Serving | undefined;
  const lines = (): Record<string, unknown>[] =>
    (serving?.stderr() ?? '')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const start = async (env: Readonly<Record<string, string>>, config?: string): Promise<Serving> => {
    engine = await startEngine({
      script: inTurn(
        { calls: [{ name: 'calculator', arguments: '{"expression":"17+4"}' }] },
        { text: 'Answerword', usage: { prompt: 30, completion: 3, cached: 16 } },
      ),
    });
    return (serving = await startServe({ engine: engine.url, env, config }));
  };
  afterEach(async () => {
    await serving?.stop();
    await engine.close();
  });
  const ask = async (url: string): Promise<Response> =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: 'Bearer gyre_sk_verysecret',
        'x-request-id': 'mine-1',
      },
      body: JSON.stringify({ model: 'gyre', messages: [{ role: 'user', content: 'Promptword' }] }),
    });

  it('says what its life is, and of requests nothing; standard output has its two lines and no more', async () => {
    const { url, stdout, stop } = await start({});
    expect((await ask(url)).status).toBe(200);
    expect(await stop()).toBe(0);
    expect(stdout()).toBe(`listening ${url}\nready ${url}\n`);
    expect(lines().map(({ level, event }) => [level, event])).toEqual([
      ['info', 'listening'],
      ['info', 'ready'],
      ['info', 'stopping'],
      ['info', 'stopped'],
    ]);
    expect(lines()[0]).toMatchObject({ url, version: VERSION, telemetry: false });
    expect(lines().every(({ time }) => Math.abs(Date.now() - Date.parse(String(time))) < 60_000)).toBe(true);
  });

  it('at the level debug tells every request in names and numbers only', async () => {
    const { url, stop } = await start({ GYRE_LOG_LEVEL: 'debug' });
    const answer = await ask(url);
    const { id } = (await answer.json()) as { id: string };
    expect(id).toMatch(/^chatcmpl-/);
    await (await fetch(`${url}/v1/chat/completions`, { method: 'POST', body: '{"Fieldword":1}' })).text();
    expect(await stop()).toBe(0);
    const requests = lines().filter(({ event }) => event === 'request');
    expect(requests).toEqual([
      {
        level: 'debug',
        time: expect.any(String),
        event: 'request',
        msg: expect.any(String),
        request_id: 'mine-1',
        route: '/v1/chat/completions',
        status: 200,
        model: 'gyre',
        policy_version: 0,
        trajectory: answer.headers.get('x-gyre-trajectory'),
        outcome: 'completed',
        stop_reason: 'stop',
        delivery: 'delivered',
        ms: expect.any(Number),
        first_token_ms: expect.any(Number),
        prompt_tokens: expect.any(Number),
        completion_tokens: expect.any(Number),
        cached_tokens: 16,
        tool_calls: 1,
      },
      {
        level: 'debug',
        time: expect.any(String),
        event: 'request',
        msg: expect.any(String),
        request_id: expect.stringMatching(/^req-/),
        route: '/v1/chat/completions',
        status: 400,
        error: 'unknown_parameter',
        delivery: 'delivered',
        ms: expect.any(Number),
      },
    ]);
    const known = new Set<string>(['level', 'time', 'event', 'msg', ...FIELDS]);
    expect(lines().flatMap((line) => Object.keys(line).filter((name) => !known.has(name)))).toEqual([]);
    for (const word of ['Promptword', 'Answerword', 'Fieldword', 'verysecret', 'Bearer', '17+4'])
      expect(serving?.stderr()).not.toContain(word);
  });

  it('tells a request by an id of the client that is redacted', async () => {
    const { url, stop } = await start({ GYRE_LOG_LEVEL: 'debug' }, "redact: ['mine-\\d']\n");
    const answer = await ask(url);
    expect(answer.headers.get('x-request-id')).toBe('mine-1');
    await answer.text();
    expect(await stop()).toBe(0);
    expect(lines().find(({ event }) => event === 'request')).toMatchObject({ request_id: '[redacted]', model: 'gyre' });
    expect(serving?.stderr()).not.toContain('mine-1');
  });

  it('says less at a higher level, and plain lines where it is told to', async () => {
    const { stop } = await start({ GYRE_LOG_LEVEL: 'warn' });
    expect(await stop()).toBe(0);
    expect(serving?.stderr()).toBe('');
  });

  it('ends by itself when its port is taken, and says so', async () => {
    engine = await startEngine();
    serving = undefined;
    const refused: unknown = await startServe({
      engine: engine.url,
      port: engine.port,
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: engine.url },
    }).catch((thrown: unknown) => thrown);
    expect((refused as Error).message).toContain(
      `ended with 1: gyre: port ${engine.port} on 127.0.0.1 is taken; choose another with --port`,
    );
  });

  it.each([
    ['GYRE_LOG_LEVEL', { GYRE_LOG_LEVEL: 'loud' }],
    ['OTEL_TRACES_SAMPLER', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_TRACES_SAMPLER: 'sometimes' }],
  ])('does not start on a wrong %s, and says why in one sentence', async (name, env) => {
    engine = await startEngine();
    serving = undefined;
    const refused: unknown = await startServe({ engine: engine.url, env }).catch((thrown: unknown) => thrown);
    expect(refused).toBeInstanceOf(Error);
    expect((refused as Error).message).toMatch(
      new RegExp(
        `^ended with 1: gyre: the environment variable ${name} is "[a-z]+"; it must be one of [^\n]*, or unset\n$`,
      ),
    );
  });
});
