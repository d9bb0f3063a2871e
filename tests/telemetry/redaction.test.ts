/**
 * What the operator's patterns match is on no span, wherever it was said and however it was spelled: real requests,
 * content captured, everything that reached the collector read as deep as it can be decoded.
 */
import { describe, expect, it } from 'vitest';

import { inTurn, type Reply } from '../fakes/engine.js';
import { tool } from '../fakes/gateway.js';
import { ANSWER, CAPTURE, telemetryBench } from './fixture.js';

const bench = telemetryBench();
const { start, sent, span } = bench;

const PATTERN = 'alice@example\\.org';
const SECRET = 'alice@example.org';
/** JSON text whose string spells the secret with an escape in it. */
const ESCAPED = '{"to":"\\u0061lice@example.org"}';
const NESTED = JSON.stringify({ body: JSON.stringify({ to: ESCAPED }) });
const [LEFT, RIGHT] = ['write to alice@exa', 'mple.org now'] as const;

/** Throws where any reading of what was exported has the secret. Texts that were sent in pieces are read as one. */
function expectNoLeak(): void {
  let read = bench.collector.bodies.join('\n');
  expect(read.length).toBeGreaterThan(1_000);
  for (let before = ''; before !== read;) {
    expect(read).not.toContain(SECRET);
    before = read;
    read = read
      .replace(/\\(?:u([0-9a-f]{4})|(.))/gi, (_, code: string | undefined, char: string) =>
        code === undefined ? char : String.fromCharCode(Number.parseInt(code, 16)),
      )
      .replace(/"\}\s*,\s*\{"(?:type":"text","content|text)":"/g, '');
  }
}

const echo = tool('calculator', ({ expression }) => String(expression));
const user = (content: unknown): unknown => ({ role: 'user', content });
const text = (said: string): unknown => ({ type: 'text', text: said });
const calling = (args: string, more: { readonly id?: string } = {}): Reply => ({
  calls: [{ id: 'call-1', name: 'calculator', arguments: args, ...more }],
});
const history = (args: string, more: object = {}): unknown[] => [
  user('q'),
  {
    role: 'assistant',
    content: null,
    tool_calls: [{ id: 'c1', type: 'function', function: { name: 'lookup', arguments: args } }],
    ...more,
  },
  { role: 'tool', tool_call_id: 'c1', content: 'done' },
];
const lookup = (more: object): unknown => ({ type: 'function', function: { name: 'lookup', ...more } });

/** The request's own fields, and what the engine says to it. */
type Case = [place: string, request: Readonly<Record<string, unknown>>, replies: readonly Reply[]];

const asked = (place: string, request: Readonly<Record<string, unknown>>, ...replies: Reply[]): Case => [
  place,
  request,
  replies,
];
const REQUESTS: readonly Case[] = [
  asked('arguments of a call in the history', { messages: history(ESCAPED) }),
  asked('arguments that are JSON in JSON', { messages: history(NESTED) }),
  asked('arguments that are cut off', { messages: history('{"to":"\\u0061lice@example.org') }),
  asked('the name of a field', { messages: history('{"\\u0061lice@example.org":1}') }),
  asked('a user text in two parts', { messages: [user([text(LEFT), text(RIGHT)])] }),
  asked('a user text in two parts around an image', {
    messages: [user([text(LEFT), { type: 'image_url', image_url: { url: 'data:x' } }, text(RIGHT)])],
  }),
  asked('a user text that quotes JSON', { messages: [user(`Send this: ${ESCAPED}`)] }),
  asked('a system text in two parts', {
    messages: [{ role: 'system', content: [text(LEFT), text(RIGHT)] }, user('q')],
  }),
  asked('a system text that quotes JSON', {
    messages: [{ role: 'system', content: `Reply as ${ESCAPED}` }, user('q')],
  }),
  asked('a later system text', { messages: [user('q'), { role: 'system', content: [text(LEFT), text(RIGHT)] }] }),
  asked('an observation in two parts', {
    messages: [...history('{}').slice(0, 2), { role: 'tool', tool_call_id: 'c1', content: [text(LEFT), text(RIGHT)] }],
  }),
  asked('an observation that is JSON', {
    messages: [...history('{}').slice(0, 2), { role: 'tool', tool_call_id: 'c1', content: NESTED }],
  }),
  asked('the reasoning of a turn in the history', { messages: history('{}', { reasoning: `I send ${ESCAPED}` }) }),
  asked('an answer in the history', {
    messages: [user('q'), { role: 'assistant', content: [text(LEFT), text(RIGHT)] }],
  }),
  asked('the ids and the name of a call in the history', {
    messages: [
      user('q'),
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: SECRET, type: 'function', function: { name: SECRET, arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: SECRET, content: 'done' },
    ],
  }),
  asked('the kind of a part that is no text', { messages: [user([text('see'), { type: SECRET, file: 1 }])] }),
  asked('the description of a tool', { messages: [user('q')], tools: [lookup({ description: `as in ${ESCAPED}` })] }),
  asked('an example among the parameters of a tool', {
    messages: [user('q')],
    tools: [lookup({ parameters: { type: 'object', properties: { to: { examples: [ESCAPED] } } } })],
  }),
  asked('the name of a parameter of a tool', {
    messages: [user('q')],
    tools: [lookup({ parameters: { type: 'object', properties: { [SECRET]: {} } } })],
  }),
  asked('a stop sequence', { messages: [user('q')], stop: [ESCAPED] }),
  asked('the text of an answer', { messages: [user('q')] }, { text: ['write to ali', 'ce@exa', 'mple.org'] }),
  asked('an answer that is JSON', { messages: [user('q')] }, { text: ['{"to":"\\u00', '61lice@example.org"}'] }),
  asked('its reasoning', { messages: [user('q')] }, { reasoning: ['ask ali', 'ce@example.org'], text: 'ok' }),
  asked(
    'arguments of a call of ours, and what it gives',
    { messages: [user('q')] },
    calling('{"expression":"\\u0061lice@example.org"}'),
    ANSWER,
  ),
  asked(
    'arguments of a call of ours in JSON in JSON',
    { messages: [user('q')] },
    calling(JSON.stringify({ expression: NESTED })),
    ANSWER,
  ),
  asked('the id of a call of ours', { messages: [user('q')] }, calling('{"expression":"1"}', { id: SECRET }), ANSWER),
];

describe('what matches is on no span where it is', () => {
  it.each(REQUESTS)('%s', async (_place, request, replies) => {
    await start({ script: inTurn(...replies), tools: [echo] }, CAPTURE, [PATTERN]);
    for (const stream of [false, true]) {
      const response = await bench.gateway.post({ model: 'gyre', stream, ...request });
      expect(response.status).toBe(200);
      await response.text();
    }
    await sent();
    expect(bench.collector.bodies.join('')).toContain('[redacted]');
    expectNoLeak();
  });

  it('an answer of the other two protocols', async () => {
    await start({ script: inTurn({ text: ['ali', 'ce@example.org'] }) }, CAPTURE, [PATTERN]);
    const post = async (path: string, body: unknown): Promise<void> => {
      const response = await fetch(`${bench.gateway.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      expect(response.status).toBe(200);
      await response.text();
    };
    const parts = [LEFT, RIGHT];
    await post('/v1/messages', {
      model: 'gyre',
      max_tokens: 9,
      system: parts.map(text),
      messages: [user(parts.map(text))],
    });
    await post('/v1/responses', {
      model: 'gyre',
      instructions: `As ${ESCAPED}`,
      input: [{ role: 'user', content: parts.map((said) => ({ type: 'input_text', text: said })) }],
    });
    await sent();
    expectNoLeak();
  });

  it('a number, whichever way it is written, and the JSON around it stays JSON', async () => {
    await start({ script: inTurn(calling('{"expression":4.111111111111111e15}'), ANSWER), tools: [echo] }, CAPTURE, [
      '\\b4\\d{15}\\b',
      '^4242$',
    ]);
    await (
      await bench.gateway.post({
        model: 'gyre',
        messages: history('{"card":4111111111111111,"pin":4242}'),
        tools: [lookup({ parameters: { type: 'object', properties: { card: { default: 4111111111111111 } } } })],
      })
    ).text();
    await sent();
    expect(bench.collector.bodies.join('')).not.toMatch(/4111111111111111|4242|4\.11111/);
    const [asked] = bench.collector.spans.filter(({ name }) => name === 'chat gyre');
    expect(JSON.parse(String(asked?.attributes['gen_ai.input.messages']))).toMatchObject([
      {},
      { parts: [{ arguments: { card: '[redacted]', pin: '[redacted]' } }] },
      {},
    ]);
    expect(span('execute_tool calculator').attributes).toMatchObject({
      'gen_ai.tool.call.arguments': '{"expression":"[redacted]"}',
      'gen_ai.tool.call.result': '[redacted]',
    });
  });

  it('a bare number as the arguments of a call', async () => {
    await start({ script: inTurn({ text: 'ok' }) }, CAPTURE, ['\\b\\d{16}\\b']);
    const messages = [...history('4.111111111111111e15'), ...history('"4111111111111111"')];
    await (await bench.gateway.post({ model: 'gyre', messages })).text();
    await sent();
    expect(bench.collector.bodies.join('')).not.toMatch(/4111111111111111|4\.11111/);
  });

  it('a field of the parameters of a tool, by a pattern of its name and its value', async () => {
    await start({ script: inTurn({ text: 'ok' }) }, CAPTURE, ['"password":\\s*"[^"]*"']);
    const tools = [lookup({ parameters: { type: 'object', examples: [{ user: 'ann', password: 'hunter2' }] } })];
    await (await bench.gateway.post({ model: 'gyre', messages: [user('q')], tools })).text();
    await sent();
    expect(bench.collector.bodies.join('')).not.toContain('hunter2');
    expect(JSON.parse(String(span('chat gyre').attributes['gen_ai.tool.definitions']))).toMatchObject([
      { name: 'lookup', parameters: { type: 'object', examples: [{ user: 'ann', '[redacted]': '[redacted]' }] } },
      { name: 'calculator' },
    ]);
  });

  it('a character outside the basic plane, as itself or as the two halves JSON escapes it by', async () => {
    await start({ script: inTurn({ text: '{"a":"\\ud83e\\uddc0 \ud83e\uddc0 \\ud83e\uddc0"}' }) }, CAPTURE, ['🧀']);
    await (await bench.gateway.post({ model: 'gyre', messages: [user('a \\ud83e\\uddc0')] })).text();
    await sent();
    expect(bench.collector.bodies.join('')).not.toMatch(/ddc0|🧀/);
  });
});

describe('without content captured, what matches is on no span either', () => {
  it('in the seed of a request', async () => {
    await start({ script: inTurn({ text: 'ok' }, { text: 'ok' }) }, {}, ['\\b\\d{16}\\b']);
    for (const seed of [4_111_111_111_111_111, 7])
      await (await bench.gateway.post({ model: 'gyre', messages: [user('q')], seed })).text();
    await sent();
    const seeds = bench.collector.spans
      .filter(({ name }) => name === 'chat gyre')
      .map(({ attributes }) => attributes['gen_ai.request.seed']);
    expect(seeds.map(String).sort()).toEqual(['7', 'undefined']);
  });

  it('in the ids a client and an engine give, or in the state of its trace', async () => {
    const choice = { index: 0, delta: { content: 'ok' }, finish_reason: null };
    const named = (id: string): string =>
      `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', choices: [choice] })}\n\n`;
    await start(
      {
        script: inTurn(calling('{"expression":"1"}', { id: 'call-sk-live-77' }), { deltas: [named('sk-live-77')] }),
        tools: [echo],
      },
      {},
      ['sk-live-\\d+'],
    );
    const response = await bench.gateway.post(
      { model: 'gyre', messages: [user('q')] },
      {
        headers: {
          'x-request-id': 'mine-sk-live-77',
          traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
          tracestate: 'other=sk-live-77',
        },
      },
    );
    expect(response.headers.get('x-request-id')).toBe('mine-sk-live-77');
    await response.text();
    await sent();
    expect(bench.collector.bodies.join('')).not.toContain('sk-live-77');
    expect(span('POST /v1/chat/completions').attributes['gyre.request.id']).toBe('mine-[redacted]');
    expect(span('execute_tool calculator').attributes['gen_ai.tool.call.id']).toBe('call-[redacted]');
    expect(span('POST /v1/chat/completions').traceId).toBe('4bf92f3577b34da6a3ce929d0e0e4736');
  });
});

describe('an answer that fails', () => {
  it.each<readonly [string, Reply]>([
    ['the engine quotes what it was asked', { status: 500, body: `{"error":{"message":"while reading ${SECRET}"}}` }],
    ['the engine refuses it with a quotation', { status: 400, body: `{"error":{"message":"bad: ${SECRET}"}}` }],
    ['the engine sends what is no JSON', { deltas: [`data: {"to":"${SECRET}\n\n`] }],
    ['the stream breaks in the middle', { text: ['alice@', 'example.org', ' x'], reset: 3 }],
  ])('has no words on any span: %s', async (_what, reply) => {
    await start({ script: inTurn(reply) }, CAPTURE, [PATTERN]);
    await (
      await bench.gateway.post({ model: 'gyre', stream: true, messages: [user([text(LEFT), text(RIGHT)])] })
    )
      .text()
      .catch(() => '');
    await sent();
    expectNoLeak();
    for (const each of bench.collector.spans) {
      expect(each.events).toEqual([]);
      expect(each.message ?? '').toBe('');
    }
    expect(bench.warnings.join('')).not.toContain(SECRET);
  });

  it('by a tool that quotes its arguments shows what is left of them', async () => {
    await start(
      {
        script: inTurn(calling('{"expression":"\\u0061lice@example.org"}'), ANSWER),
        tools: [
          tool('calculator', ({ expression }) => {
            throw new Error(`no number: ${String(expression)}`);
          }),
        ],
      },
      CAPTURE,
      [PATTERN],
    );
    await (await bench.gateway.post({ model: 'gyre', messages: [user('q')] })).text();
    await sent();
    expectNoLeak();
    expect(span('execute_tool calculator').attributes['gen_ai.tool.call.result']).toBe('Error: no number: [redacted]');
  });

  it('at nothing, where only what is captured of it is too much: the client gets its answer', async () => {
    const deep = `{"expression":${'['.repeat(30_000)}${']'.repeat(30_000)}}`;
    for (const patterns of [[], ['^(a|b)*?c', PATTERN]]) {
      await start({ script: inTurn(calling(deep), ANSWER), tools: [tool('calculator', () => 'x')] }, CAPTURE, patterns);
      const long = `${'a'.repeat(9_000_000)} ${SECRET}`;
      const response = await bench.gateway.post({ model: 'gyre', messages: [user(patterns.length > 0 ? long : 'q')] });
      expect(response.status).toBe(200);
      await response.text();
      await sent();
      if (patterns.length > 0) expectNoLeak();
      else await bench.gateway.close();
    }
  });
});
