/**
 * Tools of the Responses API that are more than a function: in a namespace, of free form, hosted elsewhere, allowed one
 * by one. The policy knows them as functions; the client gets back what it sent.
 */
import { afterEach, describe, expect, it } from 'vitest';

import type { Reply } from '../../fakes/engine.js';
import { adder, tool } from '../../fakes/gateway.js';
import { startAsking, type Asking } from './asking.js';

let asking: Asking;
afterEach(async () => asking.gateway.close());
const start = async (...replies: Reply[]): Promise<Asking> => (asking = await startAsking(replies));

const call = (name: string, args: unknown, id = 'c1'): Reply => ({
  calls: [{ id, name, arguments: typeof args === 'string' ? args : JSON.stringify(args) }],
});
const weather = { type: 'function', name: 'weather', description: 'The weather.', parameters: { type: 'object' } };
const AGENTS = {
  type: 'namespace',
  name: 'agents',
  description: 'Other agents.',
  tools: [{ ...weather, name: 'spawn' }],
};
const PATCH = {
  type: 'custom',
  name: 'apply_patch',
  description: 'Edits files.',
  format: { type: 'grammar', syntax: 'lark', definition: 'start: "*** Begin Patch"' },
};
const declared = (): unknown => asking.sent().tools?.map((each) => each.function.name);

describe('a namespace', () => {
  it('is flattened for the policy, and its calls are told in it', async () => {
    const { ask, events, sent } = await start(call('agents__spawn', { task: 'x' }));
    const { body } = await ask({ tools: [AGENTS, weather] });
    expect(declared()).toEqual(['agents__spawn', 'weather', 'calculator']);
    expect(JSON.stringify(sent().tools?.[0])).toContain('Other agents.\\n\\nThe weather.');
    expect(body.output).toMatchObject([
      { type: 'function_call', namespace: 'agents', name: 'spawn', arguments: '{"task":"x"}', call_id: 'c1' },
    ]);
    expect(body['tools']).toMatchObject([AGENTS, weather]);
    const seen = await events({ tools: [AGENTS] });
    expect(seen.find(({ type }) => type === 'response.function_call_arguments.done')).toMatchObject({ name: 'spawn' });
  });

  it('is flattened in the history and in the choice too', async () => {
    const { ask, sent } = await start({ text: 'ok' });
    await ask({
      tools: [AGENTS, weather],
      tool_choice: { type: 'function', name: 'spawn', namespace: 'agents' },
      input: [
        { role: 'user', content: 'q' },
        { type: 'function_call', namespace: 'agents', name: 'spawn', call_id: 'c', arguments: '{}' },
        { type: 'function_call_output', call_id: 'c', output: 'done' },
      ],
    });
    expect(sent().tool_choice).toEqual({ type: 'function', function: { name: 'agents__spawn' } });
    expect(sent().messages[1]).toMatchObject({ tool_calls: [{ id: 'c', function: { name: 'agents__spawn' } }] });
    await ask({ tools: [AGENTS], tool_choice: { type: 'function', name: 'spawn' } });
    expect(sent().tool_choice).toEqual({ type: 'function', function: { name: 'agents__spawn' } });
  });

  it('goes on in its trajectory when its call comes back with the result', async () => {
    const { ask, gateway } = await start(call('agents__spawn', { task: 'x' }), { text: 'ok' });
    const input = [{ role: 'user', content: 'q' }];
    const { body } = await ask({ tools: [AGENTS], input });
    await ask({
      tools: [AGENTS],
      input: [...input, ...body.output, { type: 'function_call_output', call_id: 'c1', output: 'done' }],
    });
    expect(gateway.logged[1]?.trajectoryId).toBe(gateway.logged[0]?.trajectoryId);
  });
});

describe('a custom tool', () => {
  it('is a function of one text, told with its grammar, and answered with the text', async () => {
    const { ask, sent } = await start(call('apply_patch', { input: 'line "1"\n\tü' }));
    const { body } = await ask({ tools: [PATCH] });
    expect(sent().tools?.[0]).toMatchObject({
      function: {
        name: 'apply_patch',
        description: expect.stringMatching(/^Edits files\.\n\n.*lark grammar:\nstart: /) as string,
        parameters: { type: 'object', required: ['input'], properties: { input: { type: 'string' } } },
      },
    });
    expect(body.output).toMatchObject([
      {
        type: 'custom_tool_call',
        id: expect.stringMatching(/^ctc_/) as string,
        call_id: 'c1',
        name: 'apply_patch',
        input: 'line "1"\n\tü',
        status: 'completed',
      },
    ]);
  });

  it('streams its text as it comes, and ends once', async () => {
    const { events } = await start(call('apply_patch', { input: 'a\\b\n"c" 😀' }));
    const seen = await events({ tools: [PATCH] });
    const deltas = seen.filter(({ type }) => type === 'response.custom_tool_call_input.delta');
    expect(deltas.map(({ delta }) => delta).join('')).toBe('a\\b\n"c" 😀');
    expect(seen.filter(({ type }) => type === 'response.custom_tool_call_input.done')).toMatchObject([
      { input: 'a\\b\n"c" 😀', output_index: 0 },
    ]);
    expect(seen.some(({ type }) => String(type).includes('function_call_arguments'))).toBe(false);
  });

  it('whose arguments are of another form is given them as they are', async () => {
    const { ask } = await start(call('apply_patch', { patch: 'x' }), call('apply_patch', 'plain text'));
    expect((await ask({ tools: [PATCH] })).body.output).toMatchObject([{ input: '{"patch":"x"}' }]);
    expect((await ask({ tools: [PATCH] })).body.output).toMatchObject([{ input: 'plain text' }]);
  });

  it('goes on in its trajectory, by its items and by reference', async () => {
    const { ask, gateway, sent } = await start(call('apply_patch', '{ "input": "x" }'), { text: 'ok' });
    const input = [{ role: 'user', content: 'q' }];
    const { body } = await ask({ tools: [PATCH], input });
    const output = { type: 'custom_tool_call_output', call_id: 'c1', output: [{ type: 'input_text', text: 'Done.' }] };
    await ask({ tools: [PATCH], input: [...input, ...body.output, output] });
    expect(sent().messages).toMatchObject([
      { role: 'user' },
      {
        role: 'assistant',
        tool_calls: [{ id: 'c1', function: { name: 'apply_patch', arguments: '{ "input": "x" }' } }],
      },
      { role: 'tool', tool_call_id: 'c1', content: 'Done.' },
    ]);
    expect(gateway.logged[1]?.trajectoryId).toBe(gateway.logged[0]?.trajectoryId);
    const reference = { type: 'item_reference', id: body.output[0]?.['id'] };
    await ask({ tools: [PATCH], input: [...input, reference, output] });
    expect(sent().messages[2]).toMatchObject({ role: 'tool', content: 'Done.' });
  });

  it('may stand in a namespace, and be chosen', async () => {
    const { ask, sent } = await start(call('files__apply_patch', { input: 'x' }));
    const { body } = await ask({
      tools: [{ type: 'namespace', name: 'files', tools: [PATCH] }, weather],
      tool_choice: { type: 'custom', name: 'apply_patch' },
    });
    expect(sent().tool_choice).toEqual({ type: 'function', function: { name: 'files__apply_patch' } });
    expect(body.output).toMatchObject([
      { type: 'custom_tool_call', namespace: 'files', name: 'apply_patch', input: 'x' },
    ]);
  });
});

describe('a hosted tool', () => {
  it.each([
    ['web_search', 'image_generation', 'file_search'],
    ['web_search_preview', 'code_interpreter', 'computer_use_preview'],
    ['mcp', 'local_shell', 'a_tool_of_next_year'],
  ])('that is not here is left out, which is said once: %s, %s, %s', async (...types) => {
    const { ask, events } = await start({ text: 'ok' });
    const tools = [...types, types[0]].map((type) => ({ type, some_setting: 1 }));
    const { status, headers, body } = await ask({ tools: [...tools, weather] });
    expect(status).toBe(200);
    expect(body['gyre']).toEqual({ tools_left_out: types });
    expect(headers.get('x-gyre-tools-left-out')).toBe(types.join(', '));
    expect(declared()).toEqual(['weather', 'calculator']);
    expect((await events({ tools })).at(-1)).toMatchObject({ type: 'response.completed' });
    expect((await ask({ tools: [weather] })).headers.get('x-gyre-tools-left-out')).toBeNull();
  });

  it('is ours where we have it and the key may use it, and its calls are shown', async () => {
    const searched: unknown[] = [];
    const search = tool('search_web', (args) => {
      searched.push(args);
      return 'found';
    });
    asking = await startAsking([call('search_web', { query: 'x' }), { text: 'It is.' }], { tools: [adder, search] });
    const { headers, body } = await asking.ask({ tools: [{ type: 'web_search', search_context_size: 'low' }] });
    expect(headers.get('x-gyre-tools-left-out')).toBeNull();
    expect(asking.sent(0).tools?.map((each) => each.function.name)).toEqual(['search_web']);
    expect(searched).toEqual([{ query: 'x' }]);
    expect(body.output).toMatchObject([{ type: 'mcp_call', name: 'search_web', output: 'found' }, { type: 'message' }]);
    await asking.ask({ tools: [{ type: 'web_search' }, weather], tool_choice: { type: 'web_search' } });
    expect(asking.sent().tool_choice).toEqual({ type: 'function', function: { name: 'search_web' } });
    const { headers: own } = await asking.ask({ tools: [{ type: 'web_search' }, { ...weather, name: 'search_web' }] });
    expect(own.get('x-gyre-tools-left-out')).toBe('web_search');
  });

  it('is left out where the key may not use what we have', async () => {
    asking = await startAsking([{ text: 'ok' }], { tools: [adder, tool('search_web', () => 'found')] });
    const { headers } = asking.gateway.key('ann', { tools: ['calculator'] });
    const response = await fetch(`${asking.gateway.url}/v1/responses`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gyre', input: 'q', tools: [{ type: 'web_search' }] }),
    });
    expect([response.status, response.headers.get('x-gyre-tools-left-out')]).toEqual([200, 'web_search']);
  });

  it.each([
    [{ tools: [{ type: 'image_generation' }, weather], tool_choice: { type: 'image_generation' } }, 'image_generation'],
    [{ tools: [{ type: 'file_search' }], tool_choice: 'required' }, 'file_search'],
    [
      {
        tools: [{ type: 'mcp', server_label: 'x' }],
        tool_choice: { type: 'allowed_tools', mode: 'required', tools: [{ type: 'mcp', server_label: 'x' }] },
      },
      'mcp',
    ],
  ])('is refused by name where it is demanded: %j', async (body, name) => {
    const { ask, gateway } = await start({ text: 'ok' });
    const { status, body: refused } = await ask(body);
    expect(status).toBe(400);
    expect(refused.error).toMatchObject({ param: 'tool_choice', message: expect.stringContaining(name) as string });
    expect(gateway.engine.requests).toHaveLength(0);
  });

  it.each([
    [{ type: 'functoin', name: 'x' }, 'must be "function"'],
    [{ type: 'function' }, 'tools.0.name'],
    [{ type: 'function', name: 'no spaces' }, 'letters'],
    [{ type: 'namespace', name: 'x', tools: [{ type: 'functoin' }] }, 'must be a tool of the type "function"'],
    [{ type: 'a word\nwith more' }, 'must be "function"'],
  ])('a slip is no hosted tool: %j', async (wrong, says) => {
    const { ask } = await start({ text: 'ok' });
    const { status, body } = await ask({ tools: [wrong] });
    expect(status).toBe(400);
    expect(body.error?.message).toContain(says);
  });
});

describe('allowed tools', () => {
  const tools = [weather, { ...weather, name: 'news' }, AGENTS, PATCH, { type: 'image_generation' }];
  it.each([
    [[{ type: 'function', name: 'news' }], ['news']],
    [
      [
        { type: 'custom', name: 'apply_patch' },
        { type: 'function', name: 'weather' },
      ],
      ['weather', 'apply_patch'],
    ],
    [[{ type: 'namespace', name: 'agents' }], ['agents__spawn']],
    [[{ type: 'function', name: 'spawn', namespace: 'agents' }, { type: 'image_generation' }], ['agents__spawn']],
  ])('are all that is declared: %j', async (allowed, names) => {
    const { ask, sent } = await start({ text: 'ok' });
    for (const mode of ['auto', 'required']) {
      const choice = { type: 'allowed_tools', mode, tools: allowed };
      const { body } = await ask({ tools, tool_choice: choice });
      expect(declared()).toEqual(names);
      expect(sent().tool_choice).toBe(mode);
      expect(body['tool_choice']).toEqual(choice);
    }
  });

  it('may be ours', async () => {
    const { ask, sent } = await start({ text: 'ok' });
    const choice = (type: string): unknown => ({ type: 'allowed_tools', mode: 'auto', tools: [{ type }] });
    await ask({ tools: [weather], tool_choice: choice('gyre:calculator') });
    expect(declared()).toEqual(['calculator']);
    await ask({ tools: [weather], tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [] } });
    expect(sent().tools).toBeUndefined();
  });

  it('that are not among the tools are refused', async () => {
    const { ask } = await start({ text: 'ok' });
    const tool_choice = { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'nothing' }] };
    const { status, body } = await ask({ tools, tool_choice });
    expect([status, body.error?.param]).toEqual([400, 'tool_choice']);
    expect(body.error?.message).toContain('"nothing"');
  });
});

describe("the gateway's own tools", () => {
  const sum = call('calculator', { expression: '1+1' });

  it('run without being shown where the request named none', async () => {
    const { ask, events } = await start({ ...sum, text: 'Hm. ' }, { text: 'It is 2.' }, sum, { text: 'It is 2.' });
    const { body } = await ask({});
    expect(body.output).toMatchObject([{ type: 'message', content: [{ text: 'Hm. It is 2.' }] }]);
    expect(body['usage']).toMatchObject({ server_tool_use: { by_tool: { calculator: 1 } } });
    expect((await events({})).some(({ type }) => String(type).includes('mcp'))).toBe(false);
  });

  it('are echoed as SDKs know them, and may be asked for so', async () => {
    const { ask } = await start(sum, { text: 'It is 2.' });
    const mcp = { type: 'mcp', server_label: 'gyre', allowed_tools: ['calculator'] };
    const { body } = await ask({ tools: [{ type: 'gyre:calculator' }], tool_choice: { type: 'gyre:calculator' } });
    expect(body['tools']).toEqual([mcp]);
    expect(body['tool_choice']).toEqual({ type: 'mcp', server_label: 'gyre', name: 'calculator' });
    expect(body.output[0]).toMatchObject({ type: 'mcp_call', output: '2' });
    const again = await ask({ tools: [mcp], tool_choice: body['tool_choice'] });
    expect([again.status, declared()]).toEqual([200, ['calculator']]);
  });

  it('that fail say so in the form of the schema', async () => {
    const { ask } = await start(call('calculator', { expression: 'x+y' }), { text: 'No.' });
    const { body } = await ask({ tools: [{ type: 'gyre:calculator' }] });
    expect(body.output[0]).toMatchObject({
      type: 'mcp_call',
      status: 'failed',
      error: { type: 'mcp_tool_execution_error', content: [{ type: 'text' }] },
    });
  });
});

it('tools that items add are offered with the others, each once', async () => {
  const { ask } = await start({ text: 'ok' });
  const more = { type: 'additional_tools', role: 'developer', tools: [weather, { ...weather, name: 'news' }] };
  await ask({ tools: [weather], input: [more, { role: 'user', content: 'q' }] });
  expect(declared()).toEqual(['weather', 'news', 'calculator']);
});
