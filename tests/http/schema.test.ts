/** A schema together with tools constrains the answer and nothing before it; the client sees the answer alone. */
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn, type Script, startEngine } from '../fakes/engine.js';
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

describe('a schema with default tools that nobody named', () => {
  it.each<[string, string]>([
    ['keeps to it', '{"sum": 2}'],
    ['is a code block with it', '```json\n{"sum": 2}\n```'],
    ['is a code block without a language', '\n```\n{"sum": 2}```\n'],
  ])('costs no second step where the draft %s', async (_name, text) => {
    await start({ script: like(inTurn({ text })) });
    const whole = await ask();
    expect(whole.choices[0]?.message.content).toBe('{"sum": 2}');
    expect(gateway.engine.requests).toHaveLength(1);
    expect(gateway.engine.requests[0]?.body.tools).toHaveLength(1);
    expect(gateway.logged[0]?.steps.map(({ action, notTrainable }) => [action?.text, notTrainable])).toEqual([
      [text, undefined],
    ]);
    // The policy has its own words when its client goes on.
    const next = [...ASK.messages, whole.choices[0]?.message, { role: 'user', content: 'Sure?' }];
    await ask({ messages: next });
    expect(gateway.engine.requests[1]?.body.messages[1]).toMatchObject({ content: text });
  });

  it.each([
    'Here it is:\n```json\n{"sum": 2}\n```',
    '```json\n{"sum": "two"}\n```',
    '```json\n{"sum": 2}\n```\n```json\n{"sum": 3}\n```',
  ])('costs one where it is %j', async (text) => {
    await start({ script: like(inTurn({ text })) });
    expect((await ask()).choices[0]?.message.content).toBe('{"sum": 2}');
    expect(gateway.engine.requests).toHaveLength(2);
  });

  it('shows no tokens that are not those of the answer', async () => {
    for (const more of [{ logprobs: true }, { return_token_ids: true }]) {
      await start({ script: like(inTurn({ text: '```json\n{"sum": 2}\n```' })) });
      await ask(more);
      expect(gateway.engine.requests).toHaveLength(2);
      await gateway.close();
    }
    await start({});
  });

  it('is read back as it was answered, without the fences', async () => {
    await start({ script: like(inTurn({ text: '```json\n{"sum": 2}\n```' })) });
    const { name, schema } = FORMAT.json_schema;
    const format = { type: 'json_schema' as const, name, schema };
    const response = await gateway.client.responses.create({ model: 'gyre', input: '1+1?', text: { format } });
    expect(response.output_text).toBe('{"sum": 2}');
    const again = await gateway.client.responses.retrieve(response.id);
    expect(again.output).toEqual(response.output);
  });
});

describe('a schema with tools and several choices', () => {
  const THREE = [{ text: '{"sum": 7}' }, { text: 'It is two.' }, { calls: [{ name: 'weather', arguments: '{}' }] }];

  it.each([false, true])('goes by the same rule for each (stream: %s)', async (stream) => {
    await start({ script: like(inTurn({ variants: THREE })) });
    const body = { ...ASK, tools: [OWN], n: 3 };
    let choices: { finish_reason: string | null; content: string; calls: number }[];
    if (stream) {
      choices = [0, 1, 2].map(() => ({ finish_reason: null, content: '', calls: 0 }));
      for await (const chunk of (await gateway.client.chat.completions.create({
        ...body,
        stream,
      } as never)) as unknown as AsyncIterable<Chunk>)
        for (const { index, delta, finish_reason: end } of chunk.choices) {
          const choice = choices[index];
          if (choice === undefined) continue;
          choice.content += delta.content ?? '';
          choice.calls += delta.tool_calls?.filter(({ id }) => id !== undefined).length ?? 0;
          choice.finish_reason ??= end;
        }
    } else
      choices = (await ask({ tools: [OWN], n: 3 })).choices.map(({ finish_reason, message }) => ({
        finish_reason,
        content: message.content ?? '',
        calls: message.tool_calls?.length ?? 0,
      }));
    expect(choices).toEqual([
      { finish_reason: 'stop', content: '{"sum": 7}', calls: 0 },
      { finish_reason: 'stop', content: '{"sum": 2}', calls: 0 },
      { finish_reason: 'tool_calls', content: '', calls: 1 },
    ]);
    const [first, second, ...more] = gateway.engine.requests.map(({ body: sent }) => sent);
    expect(more).toEqual([]);
    expect(first).toMatchObject({ n: 3 });
    expect(first).not.toHaveProperty('response_format');
    expect(second).toMatchObject({ response_format: FORMAT, tool_choice: 'none' });
    expect(second).not.toHaveProperty('n');
    expect(second?.messages.slice(-2)).toMatchObject([{ content: 'It is two.' }, { role: 'user' }]);
    expect(gateway.logged[0]?.steps).toHaveLength(4);
  });

  it('fails as a whole where one of them cannot be given', async () => {
    const script: Script = (request) =>
      request.body['response_format'] === undefined ? { variants: THREE } : { status: 500, body: 'no' };
    await start({ script });
    expect((await gateway.post({ ...ASK, tools: [OWN], n: 3 })).status).toBe(502);
  });
});

interface Chunk {
  readonly choices: readonly {
    readonly index: number;
    readonly delta: { readonly content?: string | null; readonly tool_calls?: readonly { readonly id?: string }[] };
    readonly finish_reason: string | null;
  }[];
}

describe('a form that is none is refused before anything is asked', () => {
  const schemaOf = (schema: unknown): object => ({
    response_format: { type: 'json_schema', json_schema: { name: 'a', schema } },
  });
  it.each<[string, object, RegExp]>([
    [
      'a type there is not',
      schemaOf({ properties: { sum: { type: 'int' } } }),
      /"\/properties\/sum\/type".*integer.*"int"/,
    ],
    ['properties in a list', schemaOf({ type: 'object', properties: ['sum'] }), /"\/properties" must be object/],
    ['a bound that is a text', schemaOf({ type: 'integer', minimum: '1' }), /"\/minimum" must be number.*"1"/],
    ['a reference to nothing', schemaOf({ $ref: '#/$defs/sum' }), /"#\/\$defs\/sum" leads nowhere/],
    ['a text', schemaOf('{}'), /must be an object/],
    ['no schema at all', { response_format: { type: 'json_schema' } }, /json_schema" must be an object/],
    ['a form nobody knows', { response_format: { type: 'yaml' } }, /type" must be one of text, json_object/],
    ['a text that is no JSON', { response_format: undefined, structured_outputs: { json: '{' } }, /no JSON/],
  ])('%s', async (_name, more, says) => {
    await start({});
    const response = await gateway.post({ ...ASK, ...more });
    const { error } = (await response.json()) as { error: { message: string; param: string } };
    expect([response.status, error.message]).toEqual([400, expect.stringMatching(says)]);
    expect(gateway.engine.requests).toHaveLength(0);
  });

  it('by the name its protocol has for it', async () => {
    await start({});
    const schema = { type: 'text' };
    const post = async (path: string, body: object): Promise<string> =>
      (
        await fetch(`${gateway.url}/v1/${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'gyre', ...body }),
        })
      ).text();
    const format = { type: 'json_schema', name: 'a', schema };
    const message = { max_tokens: 9, messages: ASK.messages };
    expect(await post('responses', { input: 'q', text: { format } })).toContain('text.format');
    expect(await post('messages', { ...message, output_config: { format } })).toContain('output_config.format');
    expect(await post('messages', { ...message, output_format: format })).toContain('output_format');
    expect(gateway.engine.requests).toHaveLength(0);
  });

  it.each<[string, unknown]>([
    ['of an older draft', { $schema: 'http://json-schema.org/draft-07/schema#', items: [{ type: 'string' }] }],
    ['with definitions and a long bound', { $ref: '#/$defs/a%20b', $defs: { 'a b': { maximum: 1e18 } } }],
    ['with what looks like a reference and is a value', { const: { $ref: '#/nowhere' }, properties: { $ref: {} } }],
    [
      'with an identity and formats of its own',
      { $id: 'x', format: 'phone', properties: { a: { $ref: '#/$defs/b' } }, $defs: { b: {} } },
    ],
  ])('and no schema is that is one: %s', async (_name, schema) => {
    await start({ script: inTurn({ text: '{}' }) });
    expect((await gateway.post({ ...ASK, ...schemaOf(schema), tool_choice: 'none' })).status).toBe(200);
  });

  it('of an upstream only a schema that is none anywhere: its other forms are its own', async () => {
    const upstream = await startEngine({ models: ['big'], script: inTurn({ text: 'ok' }) });
    try {
      await start({ config: { upstreams: [{ url: upstream.url, models: ['big'] }], 'tools.default': [] } });
      const asked = async (more: object): Promise<number> =>
        (await gateway.post({ ...ASK, model: 'big', ...more })).status;
      expect(await asked(schemaOf({ type: 'int' }))).toBe(400);
      expect(upstream.requests).toHaveLength(0);
      expect(await asked({ response_format: { type: 'yaml' } })).toBe(200);
    } finally {
      await upstream.close();
    }
  });
});
