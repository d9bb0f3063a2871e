/** Custom tools in Chat Completions: a function of one text to the policy, a custom call to its client, both ways. */
import type OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn, type Reply } from '../../fakes/engine.js';
import { startGateway, type Gateway } from '../../fakes/gateway.js';

let gateway: Gateway;
afterEach(async () => gateway.close());

const GRAMMAR = { type: 'grammar' as const, grammar: { syntax: 'lark' as const, definition: 'start: "x"' } };
const PATCH = {
  type: 'custom' as const,
  custom: { name: 'patch', description: 'Applies a patch.', format: GRAMMAR },
};
const WEATHER = { type: 'function' as const, function: { name: 'weather', parameters: { type: 'object' } } };
const QUESTION = { role: 'user' as const, content: 'Fix it.' };
const ASK = { model: 'gyre', messages: [QUESTION], tools: [PATCH, WEATHER] };
const TEXT = '*** Begin "Patch"\n\u2603';
const calling = (args: string): Reply => ({
  text: 'So. ',
  calls: [
    { id: 'c1', name: 'patch', arguments: args },
    { id: 'c2', name: 'weather', arguments: '{"city":"Rome"}' },
  ],
});
const CALLS = [
  { id: 'c1', type: 'custom', custom: { name: 'patch', input: TEXT } },
  { id: 'c2', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } },
];

/** Whatever form of arguments the policy wrote, and the text its client gets. */
const FORMS: readonly (readonly [string, string, string])[] = [
  ['the function’s own form', JSON.stringify({ input: TEXT }), TEXT],
  ['the text alone', JSON.stringify(TEXT), TEXT],
  ['no JSON', '*** Begin', '*** Begin'],
  ['another name', '{"patch": "x"}', '{"patch": "x"}'],
  ['half of it', '{"input": "*** Be', '*** Be'],
];

describe('a custom tool', () => {
  it('is a function of one text to the policy, which is told the grammar', async () => {
    gateway = await startGateway();
    await gateway.client.chat.completions.create(ASK);
    expect(gateway.engine.requests[0]?.body.tools?.[0]).toMatchObject({
      type: 'function',
      function: {
        name: 'patch',
        description: expect.stringMatching(/^Applies a patch\.\n\n.*lark grammar:\nstart: "x"$/) as string,
        parameters: { properties: { input: { type: 'string' } }, required: ['input'] },
      },
    });
  });

  it.each(FORMS)('is called with a text, written as %s', async (_name, args, input) => {
    gateway = await startGateway({ script: inTurn(calling(args), { text: 'Done.' }) });
    const first = await gateway.client.chat.completions.create(ASK);
    const [choice] = first.choices;
    const calls = [{ ...CALLS[0], custom: { name: 'patch', input } }, CALLS[1]];
    expect(choice).toMatchObject({ finish_reason: 'tool_calls', message: { content: 'So. ', tool_calls: calls } });
    // It comes back as it was given, and the policy has its own words.
    const turn = choice?.message as OpenAI.ChatCompletionMessageParam;
    const results = ['c1', 'c2'].map((id) => ({ role: 'tool' as const, tool_call_id: id, content: 'ok' }));
    await gateway.client.chat.completions.create({ ...ASK, messages: [QUESTION, turn, ...results] });
    expect(gateway.logged[1]?.trajectoryId).toBe(gateway.logged[0]?.trajectoryId);
    expect(gateway.logged[1]?.steps[0]?.messages[1]).toMatchObject({
      tool_calls: [{ function: { name: 'patch', arguments: args } }, {}],
    });
  });

  it.each(FORMS)('is streamed as a text, written as %s', async (_name, args, input) => {
    gateway = await startGateway({ script: inTurn(calling(args)) });
    const stream = await gateway.client.chat.completions.create({ ...ASK, stream: true });
    const pieces: { index?: number; type?: string; custom?: { name?: string; input?: string } }[] = [];
    for await (const chunk of stream) pieces.push(...((chunk.choices[0]?.delta.tool_calls ?? []) as typeof pieces));
    const own = pieces.filter(({ index }) => index === 0);
    expect(own[0]).toMatchObject({ id: 'c1', type: 'custom', custom: { name: 'patch', input: '' } });
    expect(own.some((piece) => 'function' in piece)).toBe(false);
    expect(own.map(({ custom }) => custom?.input ?? '').join('')).toBe(input);
    expect(pieces.filter(({ index }) => index === 1)[0]).toMatchObject({ type: 'function' });
  });

  it('may be demanded', async () => {
    gateway = await startGateway();
    const choice = { type: 'custom' as const, custom: { name: 'patch' } };
    await gateway.client.chat.completions.create({ ...ASK, tool_choice: choice });
    expect(gateway.engine.requests[0]?.body.tool_choice).toEqual({ type: 'function', function: { name: 'patch' } });
  });

  it('is in the history of a conversation that began elsewhere', async () => {
    gateway = await startGateway();
    const messages = [
      QUESTION,
      { role: 'assistant', content: null, tool_calls: [CALLS[0]] },
      { role: 'tool', tool_call_id: 'c1', content: 'ok' },
    ];
    expect((await gateway.post({ ...ASK, messages })).status).toBe(200);
    expect(gateway.engine.requests[0]?.body.messages[1]?.tool_calls).toEqual([
      { id: 'c1', type: 'function', function: { name: 'patch', arguments: `{"input": ${JSON.stringify(TEXT)}}` } },
    ]);
  });

  it.each<[string, object, string]>([
    ['without a name', { tools: [{ type: 'custom', custom: {} }] }, 'tools.0.custom.name'],
    ['without itself', { tools: [{ type: 'custom' }] }, 'tools.0.custom'],
    [
      'with a format of another kind',
      { tools: [{ ...PATCH, custom: { name: 'p', format: { type: 'x' } } }] },
      'format',
    ],
    ['of the name of a function', { tools: [PATCH, { type: 'function', function: { name: 'patch' } }] }, '"patch"'],
    ['chosen and not offered', { tool_choice: { type: 'custom', custom: { name: 'other' } } }, '"other"'],
    [
      'called in the history without a text',
      { messages: [QUESTION, { role: 'assistant', tool_calls: [{ id: 'c', type: 'custom', custom: { name: 'p' } }] }] },
      'messages.1.tool_calls.0.custom.input',
    ],
    [
      'called as another kind',
      { messages: [QUESTION, { role: 'assistant', tool_calls: [{ id: 'c', type: 'x' }] }] },
      '"function" or "custom"',
    ],
  ])('is refused %s', async (_name, more, says) => {
    gateway = await startGateway();
    const response = await gateway.post({ ...ASK, ...more });
    expect(response.status).toBe(400);
    expect(((await response.json()) as { error: { message: string } }).error.message).toContain(says);
    expect(gateway.engine.requests).toHaveLength(0);
  });
});

describe('best_of', () => {
  it.each([undefined, 1, 3, 128])('is taken where it is as many as n, %s', async (n) => {
    gateway = await startGateway();
    const best_of = n ?? 1;
    expect((await gateway.post({ ...ASK, tools: [], ...(n === undefined ? {} : { n }), best_of })).status).toBe(200);
    expect(gateway.engine.requests[0]?.body).not.toHaveProperty('best_of');
  });

  it.each([
    [2, 3],
    [3, 2],
  ])('is refused with its reason for n %i and %i', async (n, best_of) => {
    gateway = await startGateway();
    for (const [path, body] of [
      ['chat/completions', { ...ASK, tools: [] }],
      ['completions', { model: 'gyre', prompt: 'a' }],
    ] as const) {
      const response = await fetch(`${gateway.url}/v1/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...body, n, best_of }),
      });
      expect(response.status).toBe(400);
      const { error } = (await response.json()) as { error: { message: string; param: string } };
      expect(error.param).toBe('best_of');
      expect(error.message).toContain(`it is ${best_of}, and "n" is ${n}`);
    }
  });
});
