/**
 * The tables of the Messages API are whole: everything Anthropic's own types name has a treatment, and what is accepted
 * means what it says.
 */
import Anthropic from '@anthropic-ai/sdk';
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn } from '../../fakes/engine.js';
import { startGateway, type Gateway } from '../../fakes/gateway.js';
import { MESSAGES, parseCount } from '../../../src/http/messages/face.js';
import { Past } from '../../../src/http/protocol/past.js';
import { fieldRows, type FieldRow } from '../../../src/http/protocol/fields.js';
import { PROTOCOLS } from '../../../src/http/protocols.js';

/** The compiler refuses these lists when the SDK's types gain a field. */
const CREATE = {
  max_tokens: true,
  messages: true,
  model: true,
  cache_control: true,
  container: true,
  diagnostics: true,
  inference_geo: true,
  metadata: true,
  output_config: true,
  service_tier: true,
  speed: true,
  stop_sequences: true,
  stream: true,
  system: true,
  thinking: true,
  tool_choice: true,
  tools: true,
  user_profile_id: true,
  workspace_id: true,
  billing_policy: true,
  compaction: true,
  context_management: true,
  fallback_credit_token: true,
  fallbacks: true,
  mcp_servers: true,
  output_format: true,
  thread: true,
  betas: true,
} satisfies Record<keyof Anthropic.MessageCreateParams | keyof Anthropic.Beta.Messages.MessageCreateParams, true>;
const COUNT = {
  messages: true,
  model: true,
  cache_control: true,
  output_config: true,
  speed: true,
  system: true,
  thinking: true,
  tool_choice: true,
  tools: true,
  user_profile_id: true,
  workspace_id: true,
} satisfies Record<keyof Anthropic.MessageCountTokensParams, true>;

const ASK = { model: 'gyre', max_tokens: 5, messages: [{ role: 'user', content: 'hi' }] };
const PAST = new Past({ conversation: () => undefined, answer: () => undefined, withdrawn: () => false }, '');
const read = (more: object): ReturnType<typeof parseCount> => MESSAGES.parse({ ...ASK, ...more }, PAST).request;
const tableOf = (path: string): readonly FieldRow[] =>
  PROTOCOLS.filter((protocol) => protocol.path === path).flatMap(({ fields }) => fieldRows(fields));

describe('the tables of fields', () => {
  it.each([
    ['/v1/messages', CREATE],
    ['/v1/messages/count_tokens', COUNT],
  ])('of %s has every field of Anthropic, each once', (route, fields) => {
    const names = tableOf(route).map((row) => row.field);
    expect(names).toEqual([...new Set(names)]);
    for (const name of Object.keys(fields)) expect(names).toContain(name);
  });

  it.each(tableOf('/v1/messages').filter((row) => row.treatment === 'refused'))(
    'refuses $field by name, with its reason, but not a null',
    ({ field, note }) => {
      for (const parse of [read, (more: object) => parseCount({ ...ASK, max_tokens: null, ...more }, PAST)])
        expect(() => parse({ [field]: { type: 'enabled' } })).toThrow(`"${field}" is not supported. ${note}`);
      expect(() => read({ [field]: null })).not.toThrow();
    },
  );

  it.each([
    { mcp_servers: [] },
    { fallbacks: [] },
    { container: null },
    { speed: 'fast' },
    { billing_policy: { type: 'any' }, fallback_credit_token: 't' },
  ])('takes %j, which changes nothing', (more) => {
    expect(read(more)).toEqual(read({}));
  });

  it.each([
    ['reasoning', 'output_config.effort'],
    ['reasoning_effort', 'output_config.effort'],
    ['response_format', 'output_config.format'],
    ['enable_thinking', 'thinking'],
    ['max_completion_tokens', 'max_tokens'],
    ['stop', 'stop_sequences'],
    ['instructions', 'system'],
    ['input', 'messages'],
    ['function_call', 'tool_choice'],
    ['temprature', 'temperature'],
  ])('say for %s what it is called here: %s', (name, known) => {
    expect(() => read({ [name]: 'x' })).toThrow(`Did you mean "${known}"?`);
  });

  it('are those of routes that are there', async () => {
    const gateway = await startGateway();
    for (const { path } of PROTOCOLS)
      expect([path, (await fetch(gateway.url + path, { method: 'POST', body: '{}' })).status]).toEqual([path, 400]);
    await gateway.close();
  });
});

describe('a request', () => {
  let gateway: Gateway;
  afterEach(async () => gateway.close());
  const start = async (): Promise<Anthropic> => {
    gateway = await startGateway({ script: inTurn({ text: '{"a":1}' }) });
    return new Anthropic({ baseURL: gateway.url, apiKey: 'any', maxRetries: 0 });
  };

  it('may have hints about a cache wherever it likes', async () => {
    const client = await start();
    const cache_control = { type: 'ephemeral' as const };
    await client.messages.create({
      model: 'gyre',
      max_tokens: 5,
      cache_control,
      service_tier: 'auto',
      system: [{ type: 'text', text: 'Be brief.', cache_control }],
      tools: [{ name: 'f', input_schema: { type: 'object' }, cache_control }],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'a', cache_control: { type: 'ephemeral', ttl: '1h' } }] },
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'b', cache_control },
            { type: 'tool_use', id: 'x', name: 'f', input: {}, cache_control },
          ],
        },
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              tool_use_id: 'x',
              content: [{ type: 'text', text: 'c', cache_control }],
              cache_control,
            },
          ],
        },
      ],
    });
    expect(JSON.stringify(gateway.engine.requests[0]?.body)).not.toMatch(/cache_control|service_tier/);
  });

  it('is tied to a task, and withholds consent by a header', async () => {
    const client = await start();
    const metadata = { user_id: 'u', gyre_task: 't1' } as Anthropic.Metadata;
    await client.messages.create({ ...(ASK as Anthropic.MessageCreateParamsNonStreaming), metadata });
    await client.messages.create(ASK as Anthropic.MessageCreateParamsNonStreaming, {
      headers: { 'x-gyre-train': 'no' },
    });
    expect(gateway.logged[0]?.opening).toMatchObject({
      taskId: 't1',
      metadata: { user_id: 'u', gyre_task: 't1' },
      asker: { consent: true },
    });
    expect(gateway.logged[1]).toMatchObject({
      opening: { asker: { consent: false } },
      steps: [{ notTrainable: 'no_consent' }],
    });
  });

  it('for structured output is parsed by the client', async () => {
    const client = await start();
    const schema = { type: 'object', properties: { a: { type: 'number' } } };
    const answer = await client.messages.parse({
      ...(ASK as Anthropic.MessageCreateParamsNonStreaming),
      // With tools that may be called the schema would hold for the answer alone.
      tool_choice: { type: 'none' },
      output_config: { format: { type: 'json_schema', schema }, effort: 'low' },
    });
    expect(answer.parsed_output).toEqual({ a: 1 });
    expect(gateway.engine.requests[0]?.body).toMatchObject({
      response_format: { type: 'json_schema', json_schema: { schema } },
      reasoning_effort: 'low',
    });
  });
});

describe('the meaning of a request', () => {
  it.each([
    [{ type: 'auto' }, 'auto', undefined],
    [{ type: 'auto', disable_parallel_tool_use: true }, 'auto', false],
    [{ type: 'any', disable_parallel_tool_use: false }, 'required', undefined],
    [{ type: 'none' }, 'none', undefined],
    [
      { type: 'tool', name: 'f', disable_parallel_tool_use: true },
      { type: 'function', function: { name: 'f' } },
      false,
    ],
    [{ type: 'gyre:calculator' }, { type: 'gyre:calculator' }, undefined],
  ])('of the choice %j is %j', (tool_choice, toolChoice, parallelToolCalls) => {
    expect(read({ tool_choice })).toMatchObject({ toolChoice, parallelToolCalls });
  });

  it('of tools is functions, and server tools by their type', () => {
    const tools = [
      {
        type: 'custom',
        name: 'f',
        description: 'd',
        input_schema: { type: 'object' },
        strict: true,
        allowed_callers: ['direct'],
        defer_loading: false,
      },
      { type: 'gyre:calculator' },
    ];
    expect(read({ tools }).tools).toEqual([
      { type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object' }, strict: true } },
      { type: 'gyre:calculator' },
    ]);
  });

  it('has nothing of a null', () => {
    expect(read({ temperature: null, metadata: { user_id: null }, stop_sequences: [] })).toMatchObject({
      sampling: { max_tokens: 5 },
      metadata: {},
      store: true,
    });
    expect(Object.keys(read({ temperature: null, stop_sequences: [] }).sampling)).toEqual(['max_tokens']);
  });
});
