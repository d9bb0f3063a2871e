/** A schema together with tools constrains the answer and nothing before it; the client sees the answer alone. */
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn, type Script } from '../fakes/engine.js';
import { startGateway, type Gateway, type GatewayOptions } from '../fakes/gateway.js';

let gateway: Gateway;
const start = async (options: GatewayOptions): Promise<Gateway> => (gateway = await startGateway(options));
afterEach(async () => gateway.close());

const SCHEMA = {
  type: 'object',
  properties: { sum: { type: 'integer' } },
  required: ['sum'],
  additionalProperties: false,
};
const FORMAT = { type: 'json_schema', json_schema: { name: 'answer', schema: SCHEMA } };
const ASK = {
  model: 'gyre',
  messages: [{ role: 'user' as const, content: 'What is 1+1?' }],
  response_format: FORMAT,
};
const OWN = { type: 'function' as const, function: { name: 'weather', parameters: { type: 'object' } } };
const SUM = { name: 'calculator', arguments: '{"expression":"1+1"}' };

interface Whole {
  readonly choices: readonly {
    readonly finish_reason: string;
    readonly message: { readonly content: string | null; readonly tool_calls?: readonly unknown[] };
  }[];
  readonly usage: { readonly completion_tokens: number };
}

const ask = async (more: Record<string, unknown> = {}): Promise<Whole> =>
  (await (await gateway.post({ ...ASK, ...more })).json()) as Whole;

/** As vLLM does: whatever is asked with a schema is masked by it, and so never a call. */
const like =
  (free: Script): Script =>
  (request, number) =>
    request.body['response_format'] === undefined && request.body['structured_outputs'] === undefined
      ? free(request, number)
      : { text: ['{"sum":', ' 2}'] };

describe('a schema with a server tool', () => {
  it('leaves the tool callable, and constrains the answer', async () => {
    await start({ script: like(inTurn({ text: 'Let me see. ', calls: [SUM] }, { text: 'It is two.' })) });
    const whole = await ask();
    expect(whole.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: '{"sum": 2}' } });
    const [first, second, third, ...more] = gateway.engine.requests.map(({ body }) => body);
    expect(more).toEqual([]);
    expect([first, second, third].map((body) => body?.['response_format'])).toEqual([undefined, undefined, FORMAT]);
    expect(third).toMatchObject({ tool_choice: 'none' });
    expect(third?.messages.slice(-3)).toMatchObject([
      { role: 'tool', content: '2' },
      { role: 'assistant', content: 'It is two.' },
      { role: 'user', content: expect.stringContaining('required format') },
    ]);
    const [logged] = gateway.logged;
    expect(logged?.steps.map((step) => step.notTrainable)).toEqual([undefined, undefined, 'constrained']);
    expect(logged?.ending).toMatchObject({ outcome: 'completed', stopReason: 'stop' });
    const spent = logged?.steps.reduce((sum, step) => sum + (step.action?.usage.completion_tokens ?? 0), 0);
    expect(whole.usage.completion_tokens).toBe(spent);
  });

  it.each([
    ['a schema', FORMAT, '{"sum":2}'],
    ['any JSON object', { type: 'json_object' }, ' {"any": [1]}\n'],
  ])('takes an answer as it is that keeps to %s already', async (_name, format, text) => {
    await start({ script: like(inTurn({ calls: [SUM] }, { text })) });
    expect((await ask({ response_format: format })).choices[0]?.message.content).toBe(text);
    expect(gateway.engine.requests).toHaveLength(2);
    expect(gateway.logged[0]?.steps[1]?.notTrainable).toBeUndefined();
  });

  it.each([
    ['structured_outputs with a regex', { structured_outputs: { regex: '\\d' } }, '7'],
    ['a choice it did not make', { structured_outputs: { choice: ['yes', 'no'] } }, 'maybe'],
    ['a schema as a text', { structured_outputs: { json: JSON.stringify(SCHEMA) } }, '{"sum":"two"}'],
    ['a structural tag', { response_format: { type: 'structural_tag', format: {} } }, '{}'],
  ])('asks once more for %s', async (_name, fields, text) => {
    await start({ script: like(inTurn({ text })) });
    const whole = await ask({ response_format: undefined, ...fields });
    expect(whole.choices[0]?.message.content).toBe('{"sum": 2}');
    expect(gateway.engine.requests).toHaveLength(2);
  });

  it('lets nothing of a draft reach a stream, not even its tokens', async () => {
    await start({ script: like(inTurn({ text: 'Let me see. ', calls: [SUM] }, { text: 'It is two.' })) });
    const raw = await (await gateway.post({ ...ASK, stream: true, logprobs: true, return_token_ids: true })).text();
    const deltas = raw
      .split('\n\n')
      .filter((frame) => frame.startsWith('data: {'))
      .flatMap(
        (frame) =>
          (JSON.parse(frame.slice(6)) as { choices: { delta: { content?: string }; token_ids?: number[] }[] }).choices,
      );
    expect(deltas.map(({ delta }) => delta.content ?? '').join('')).toBe('{"sum": 2}');
    expect(deltas.flatMap((delta) => delta.token_ids ?? [])).toEqual([
      ...(gateway.logged[0]?.steps[2]?.action?.tokenIds ?? []),
    ]);
  });

  it('holds at a limit too: the last turn is the constrained one', async () => {
    await start({
      script: like((_request, number) => ({ calls: [{ ...SUM, arguments: `{"expression":"1+${number}"}` }] })),
      config: { 'limits.steps': 1 },
    });
    expect((await ask()).choices[0]).toMatchObject({ finish_reason: 'length', message: { content: '{"sum": 2}' } });
    expect(gateway.engine.requests).toHaveLength(2);
  });

  it('may be forced to call first', async () => {
    await start({ script: like(inTurn({ calls: [SUM] }, { text: 'two' })) });
    await ask({ tools: [{ type: 'gyre:calculator' }], tool_choice: 'required' });
    expect(gateway.engine.requests.map(({ body }) => body['tool_choice'])).toEqual(['required', 'auto', 'none']);
  });

  it('constrains at once where calls are off', async () => {
    await start({ script: like(inTurn({ text: 'no' })) });
    expect((await ask({ tool_choice: 'none' })).choices[0]?.message.content).toBe('{"sum": 2}');
    expect(gateway.engine.requests).toHaveLength(1);
  });

  it('is given even where the draft ran to the bound of tokens, and ends where nothing more fits', async () => {
    await start({ script: like(inTurn({ text: 'one two three', finish: 'length' })) });
    expect((await ask({ max_tokens: 3 })).choices[0]).toMatchObject({ message: { content: '{"sum": 2}' } });
    expect((await ask()).choices[0]).toMatchObject({ finish_reason: 'length', message: { content: '' } });
  });

  it('is one conversation with the next question, in which the policy knows its own words', async () => {
    await start({ script: like(inTurn({ text: 'It is two.' }, {}, { text: 'three' })) });
    const { choices } = await ask();
    await ask({ messages: [...ASK.messages, choices[0]?.message, { role: 'user', content: 'And one more?' }] });
    const [first, second] = gateway.logged;
    expect(second?.trajectoryId).toBe(first?.trajectoryId);
    expect(gateway.engine.requests[2]?.body.messages.map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
      'user',
    ]);
  });
});

describe("a schema with the client's own tools", () => {
  it('leaves them callable, and the words beside a call are not the answer', async () => {
    await start({ script: like(inTurn({ text: 'One moment.', calls: [{ name: 'weather', arguments: '{}' }] })) });
    const whole = await ask({ tools: [OWN] });
    expect(whole.choices[0]).toMatchObject({ finish_reason: 'tool_calls', message: { content: null } });
    expect(whole.choices[0]?.message.tool_calls).toHaveLength(1);
  });

  it('is one request where no tool is offered', async () => {
    await start({ script: like(inTurn({ text: 'no' })), config: { 'tools.default': [] } });
    await ask();
    expect(gateway.engine.requests).toHaveLength(1);
  });
});
