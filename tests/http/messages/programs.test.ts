/** What programs that speak the Messages API always send, and what becomes of it. */
import type Anthropic from '@anthropic-ai/sdk';
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn } from '../../fakes/engine.js';
import { adder, tool } from '../../fakes/gateway.js';
import { ASK, events, gateway, type Params, start, startBy } from './client.js';

afterEach(async () => gateway.close());

const sent = (): Record<string, unknown> => gateway.engine.requests[0]?.body as unknown as Record<string, unknown>;

describe('a request', () => {
  const claudeCode = {
    max_tokens: 2_000,
    thinking: { type: 'adaptive' },
    context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
    output_config: { effort: 'max' },
    metadata: { user_id: 'user_1' },
    system: [{ type: 'text', text: 'You are a coder.', cache_control: { type: 'ephemeral', ttl: '1h' } }],
  };

  it.each([
    ['Claude Code', claudeCode],
    ['pi', { thinking: { type: 'disabled' } }],
    ['inspect-ai', { output_format: { type: 'json_schema', schema: { type: 'object' } } }],
    ['betas in the body', { betas: ['context-management-2025-06-27'] }],
    [
      'other edits that change nothing',
      {
        context_management: {
          edits: [{ type: 'clear_thinking_20251015', keep: { type: 'thinking_turns', value: 2 } }],
        },
      },
    ],
  ])('of %s is answered, whole and streamed', async (_name, more) => {
    const client = await start({ text: 'ok' });
    const params = { ...ASK, ...more } as Params;
    expect((await client.messages.create(params)).content).toMatchObject([{ text: 'ok' }]);
    expect((await client.messages.stream(params).finalMessage()).content).toMatchObject([{ text: 'ok' }]);
  });

  it('that asks for edits of the conversation is told that none were made', async () => {
    const client = await start({ text: 'ok' });
    expect(await client.messages.create({ ...ASK, ...claudeCode } as Params)).toMatchObject({
      context_management: { applied_edits: [] },
    });
    const streamed = await client.messages.create({ ...(ASK as object), ...claudeCode, stream: true } as never);
    const seen = await events(streamed as unknown as Parameters<typeof events>[0]);
    expect(seen.find(({ type }) => type === 'message_delta')).toMatchObject({
      context_management: { applied_edits: [] },
    });
    expect(await client.messages.create(ASK)).not.toHaveProperty('context_management');
    expect(sent()).not.toHaveProperty('context_management');
    expect(sent()).toMatchObject({ reasoning_effort: 'high' });
  });

  it('is told the version of the protocol that it named', async () => {
    const client = await start({ text: 'ok' });
    const named = { headers: { 'anthropic-version': '2023-06-01' } };
    const whole = await client.messages.create(ASK, named).withResponse();
    const streamed = await client.messages.create({ ...ASK, stream: true }, named).withResponse();
    await events(streamed.data);
    for (const { response } of [whole, streamed]) expect(response.headers.get('anthropic-version')).toBe('2023-06-01');
  });

  it('with a schema in its older name is held to it', async () => {
    const client = await start({ text: '{}' });
    const schema = { type: 'object', properties: { a: { type: 'number' } } };
    await client.messages.create({
      ...ASK,
      tool_choice: { type: 'none' },
      output_format: { type: 'json_schema', schema },
    } as never);
    expect(sent()).toMatchObject({ response_format: { type: 'json_schema', json_schema: { schema } } });
  });

  it('loses what others added to its blocks and tools, and nothing else', async () => {
    const client = await start({ text: 'ok' });
    await client.messages.create({
      ...ASK,
      tools: [{ name: 'f', input_schema: { type: 'object' }, colour: 'red', input_examples: [{ city: 'Rome' }] }],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'a', colour: 'red', citations: [{ type: 'x' }] }], id: 'm' },
        {
          role: 'assistant',
          id: 'msg_1',
          model: 'claude',
          content: [
            { type: 'text', text: 'b', citations: null, parsed: 1 },
            {
              type: 'tool_use',
              id: 't',
              name: 'f',
              input: { a: 1 },
              caller: { type: 'code_execution_20250825' },
              x: 1,
            },
          ],
        },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: [], colour: 'red' }] },
      ],
    } as never);
    expect(gateway.engine.requests[0]?.body.messages).toEqual([
      { role: 'user', content: 'a' },
      {
        role: 'assistant',
        content: 'b',
        tool_calls: [{ id: 't', type: 'function', function: { name: 'f', arguments: '{"a": 1}' } }],
      },
      { role: 'tool', tool_call_id: 't', content: '' },
    ]);
    expect((sent()['tools'] as unknown[]).slice(0, 1)).toMatchObject([
      { function: { name: 'f', description: expect.stringContaining('{"city":"Rome"}') as string } },
    ]);
    expect(JSON.stringify(sent()['tools'])).not.toMatch(/colour|input_examples/);
  });

  it('keeps the words of tools that others host, and drops their calls', async () => {
    const client = await start({ text: 'ok' });
    await client.messages.create({
      ...ASK,
      messages: [
        ...ASK.messages,
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'I look. ' },
            { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'q' } },
            {
              type: 'web_search_tool_result',
              tool_use_id: 's',
              content: [
                { type: 'web_search_result', title: 'Rome', url: 'https://rome.example', encrypted_content: 'Eu8' },
              ],
            },
            { type: 'redacted_thinking', data: 'x' },
            { type: 'text', text: 'Found.' },
          ],
        },
        { role: 'user', content: 'And?' },
      ],
    } as never);
    const said = String(gateway.engine.requests[0]?.body.messages[1]?.content);
    expect(said).toMatch(/^I look\. .*Rome\nhttps:\/\/rome\.example\nFound\.$/s);
    expect(said).not.toMatch(/Eu8|query/);
  });
});

describe('tools that Anthropic names by their type', () => {
  const search = { type: 'web_search_20250305', name: 'web_search', max_uses: 8 } as unknown as Anthropic.Tool;
  const fetchPage = { type: 'web_fetch_20250910', name: 'web_fetch' } as unknown as Anthropic.Tool;
  const searching = tool('search_web', () => 'Rome is sunny.');

  it('and hosts are ours where we have one', async () => {
    const client = await startBy({
      script: inTurn({ calls: [{ id: 'c', name: 'search_web', arguments: '{}' }] }, { text: 'Sunny.' }),
      tools: [adder, searching],
    });
    const answer = await client.messages.create({
      ...ASK,
      tools: [search],
      tool_choice: { type: 'tool', name: 'web_search' },
    });
    expect(answer.content).toEqual([{ type: 'text', text: 'Sunny.' }]);
    expect(answer.usage.server_tool_use).toMatchObject({ web_search_requests: 1 });
    expect(sent()).toMatchObject({ tool_choice: { function: { name: 'search_web' } } });
  });

  it('and hosts are left out where we have none, which a header says once', async () => {
    const client = await start({ text: 'ok' });
    const code = { type: 'code_execution_20250825', name: 'code_execution' } as unknown as Anthropic.Tool;
    const { response } = await client.messages.create({ ...ASK, tools: [search, fetchPage, code] }).withResponse();
    expect(response.headers.get('x-gyre-tools-left-out')).toBe(
      'web_search_20250305, web_fetch_20250910, code_execution_20250825',
    );
  });

  it.each([
    ['bash_20250124', 'bash', ['command', 'restart']],
    ['text_editor_20250728', 'str_replace_based_edit_tool', ['command', 'path', 'old_str', 'new_str']],
    ['text_editor_20250124', 'str_replace_editor', ['command', 'path']],
    ['memory_20250818', 'memory', ['command', 'path', 'old_path']],
    ['computer_20250124', 'computer', ['action', 'coordinate']],
  ])('and the client runs are functions of the client: %s', async (type, name, fields) => {
    const client = await start({ calls: [{ id: 'c', name, arguments: '{"command":"ls"}' }] });
    const answer = await client.messages.create({
      ...ASK,
      tools: [{ type, name, display_width_px: 800, display_height_px: 600 } as never],
    });
    expect(answer).toMatchObject({ stop_reason: 'tool_use', content: [{ type: 'tool_use', name }] });
    const [declared] = sent()['tools'] as { function: { name: string; parameters: { properties: object } } }[];
    expect(declared?.function.name).toBe(name);
    expect(Object.keys(declared?.function.parameters.properties ?? {})).toEqual(expect.arrayContaining(fields));
  });
});
