/** A conversation that was begun elsewhere goes on: parts are passed on, and words of others' tools are kept. */
import { afterEach, describe, expect, it } from 'vitest';

import type { ChatBody } from '../../fakes/engine.js';
import { startAsking, type Asking } from './asking.js';

let asking: Asking;
afterEach(async () => asking.gateway.close());

const PIXEL = 'data:image/png;base64,iVBORw0KGgo=';
const user = (content: unknown): unknown => ({ role: 'user', content });

/** What the policy reads of items that stand between two of the user's. */
async function read(...items: unknown[]): Promise<readonly unknown[]> {
  asking = await startAsking([{ text: 'ok' }]);
  const { status, body } = await asking.ask({ input: [user('q'), ...items, user('go on')] });
  expect(body.error).toBeNull();
  expect(status).toBe(200);
  return asking.sent().messages.slice(1, -1);
}

describe('an item of a tool that ran elsewhere', () => {
  it.each([
    [{ type: 'web_search_call', id: 'ws_1', status: 'completed', action: { type: 'search', query: 'x' } }, undefined],
    [
      { type: 'file_search_call', id: 'fs_1', queries: ['x'], results: [{ filename: 'a.md', text: 'Words.' }] },
      '[file_search] a.md\nWords.\n',
    ],
    [
      { type: 'code_interpreter_call', id: 'ci_1', code: 'print(1)', outputs: [{ type: 'logs', logs: '1' }] },
      '[code_interpreter] 1\n',
    ],
    [{ type: 'code_interpreter_call', id: 'ci_1', outputs: [{ type: 'image', url: PIXEL }] }, undefined],
    [{ type: 'image_generation_call', id: 'ig_1', status: 'completed', result: 'aGVsbG8=' }, undefined],
    [{ type: 'mcp_call', id: 'm', server_label: 'wiki', name: 'ask', arguments: '{}', output: 'Yes.' }, '[mcp] Yes.\n'],
    [{ type: 'mcp_list_tools', id: 'm', server_label: 'wiki', tools: [] }, undefined],
    [{ type: 'mcp_approval_request', id: 'a', server_label: 'w', name: 'f', arguments: '{}' }, undefined],
    [{ type: 'mcp_approval_response', approval_request_id: 'a', approve: true }, undefined],
    [{ type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gAAAA' }, undefined],
    [{ type: 'ghost_snapshot', ghost_commit: { id: 'x' } }, undefined],
    [{ type: 'tool_search_call', call_id: 'ts', execution: 'server', arguments: {} }, undefined],
  ])('%j is read as %j', async (item, words) => {
    expect(await read(item)).toEqual(words === undefined ? [] : [{ role: 'assistant', content: words }]);
  });

  it.each([
    [
      { type: 'local_shell_call', call_id: 's', action: { type: 'exec', command: ['ls'] } },
      { type: 'local_shell_call_output', id: 's', call_id: 's', output: 'a.md' },
      ['local_shell', { type: 'exec', command: ['ls'] }, 'a.md'],
    ],
    [
      { type: 'shell_call', call_id: 's', action: { commands: ['ls'] } },
      { type: 'shell_call_output', call_id: 's', output: [{ stdout: 'a', stderr: 'b', outcome: { type: 'exit' } }] },
      ['shell', { commands: ['ls'] }, 'a\nb'],
    ],
    [
      { type: 'apply_patch_call', call_id: 's', operation: { type: 'delete_file', path: 'x' } },
      { type: 'apply_patch_call_output', call_id: 's', status: 'completed' },
      ['apply_patch', { type: 'delete_file', path: 'x' }, 'completed'],
    ],
    [
      { type: 'computer_call', call_id: 's', action: { type: 'screenshot' } },
      { type: 'computer_call_output', call_id: 's', output: { type: 'computer_screenshot', image_url: PIXEL } },
      ['computer', { type: 'screenshot' }, expect.anything()],
    ],
  ] as const)('that the client ran is a call with its result: %j', async (call, output, [name, args, result]) => {
    const [turn, answer] = (await read(call, output)) as ChatBody['messages'];
    expect(turn?.tool_calls).toMatchObject([{ id: 's', function: { name } }]);
    expect(JSON.parse(turn?.tool_calls?.[0]?.function.arguments ?? '')).toEqual(args);
    expect(answer).toMatchObject({ role: 'tool', tool_call_id: 's', content: result as unknown });
  });

  it('whose call is not there is words all the same', async () => {
    expect(await read({ type: 'shell_call_output', call_id: 's', output: [{ stdout: 'a' }] })).toEqual([
      { role: 'user', content: '[shell_call_output] a' },
    ]);
  });

  it('stands in the turn it belongs to', async () => {
    const found = { type: 'file_search_call', results: [{ text: 'Words.' }] };
    expect(await read(found, { role: 'assistant', content: 'So it is.' })).toEqual([
      { role: 'assistant', content: '[file_search] Words.\nSo it is.' },
    ]);
  });
});

it('reasoning in the open goes to the policy with its turn', async () => {
  const thought = { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'Easy.' }] };
  expect(await read(thought, { role: 'assistant', content: 'Four.' })).toMatchObject([
    { role: 'assistant', content: 'Four.', reasoning: 'Easy.' },
  ]);
});

describe('parts', () => {
  it.each([
    [
      { type: 'input_image', image_url: PIXEL, detail: 'low' },
      { type: 'image_url', image_url: { url: PIXEL, detail: 'low' } },
    ],
    [
      { type: 'input_image', file_id: 'file_1', detail: 'auto' },
      { type: 'file', file: { file_id: 'file_1' } },
    ],
    [
      { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' },
      { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' } },
    ],
    [
      { type: 'input_file', file_url: 'https://x.test/a.pdf' },
      { type: 'file', file: { file_data: 'https://x.test/a.pdf' } },
    ],
    [
      { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } },
      { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } },
    ],
  ])('%j is logged as Chat Completions writes it', async (part, canonical) => {
    asking = await startAsking([{ text: 'ok' }]);
    await asking.ask({ input: [user([{ type: 'input_text', text: 'See:' }, part])] });
    const { messages } = asking.gateway.logged[0]?.opening ?? { messages: [] };
    expect(messages).toEqual([{ role: 'user', content: [{ type: 'text', text: 'See:' }, canonical] }]);
  });

  it('may stand in the output of a function', async () => {
    asking = await startAsking([{ text: 'ok' }]);
    const call = { type: 'function_call', call_id: 'c', name: 'view', arguments: '{}' };
    const output = [{ type: 'input_image', image_url: PIXEL }];
    await asking.ask({ input: [user('q'), call, { type: 'function_call_output', call_id: 'c', output }] });
    expect(asking.gateway.logged[0]?.opening.messages[2]).toEqual({
      role: 'tool',
      tool_call_id: 'c',
      content: [{ type: 'image_url', image_url: { url: PIXEL } }],
    });
  });

  it.each([
    [{ type: 'input_image' }, 'needs an "image_url"'],
    [{ type: 'input_file', filename: 'x' }, 'needs "file_data"'],
    [{ type: 'input_video', video: 'x' }, 'must be a part'],
    [{ type: 'input_text' }, 'text'],
  ])('%j is refused by name', async (part, says) => {
    asking = await startAsking([{ text: 'ok' }]);
    const { status, body } = await asking.ask({ input: [user([part])] });
    expect(status).toBe(400);
    expect(body.error?.param).toMatch(/^input\.0\.content\.0/);
    expect(body.error?.message).toContain(says);
  });
});

it.each([
  [{ type: 'function_call', name: 'x', arguments: '{}' }, 'input.0.call_id'],
  [{ type: 'mesage', content: 'x' }, 'input.0.type'],
  [{ type: 'note', role: 'user', content: 'x' }, 'input.0'],
  [{ role: 'tool', content: 'x' }, 'input.0.role'],
])('a slip in an item is refused by name: %j', async (item, param) => {
  asking = await startAsking([{ text: 'ok' }]);
  const { status, body } = await asking.ask({ input: [item] });
  expect(status).toBe(400);
  expect(body.error?.param).toContain(param);
});

it('what an SDK adds to items, parts and tools is let pass', async () => {
  expect(
    await read({
      type: 'message',
      id: 'msg_1',
      status: 'completed',
      role: 'assistant',
      phase: 'final',
      content: [{ type: 'output_text', text: 'Hi.', annotations: [], logprobs: [], parsed: null }],
    }),
  ).toEqual([{ role: 'assistant', content: 'Hi.' }]);
});

describe('a message in an odd form', () => {
  it('says what an assistant showed, where no template takes a picture from it', async () => {
    const shown = { role: 'assistant', content: [{ type: 'input_image', image_url: PIXEL }] };
    expect(await read(shown)).toEqual([{ role: 'assistant', content: '[image: image/png, 8 bytes]' }]);
  });

  it('may have a type of null', async () => {
    expect(await read({ type: null, role: 'assistant', content: 'a' })).toEqual([{ role: 'assistant', content: 'a' }]);
  });

  it('is asked for where no item says anything', async () => {
    asking = await startAsking([{ text: 'ok' }]);
    const { status, body } = await asking.ask({ input: [{ type: 'reasoning', summary: [], encrypted_content: 'x' }] });
    expect([status, body.error?.param, asking.gateway.engine.requests.length]).toEqual([400, 'input', 0]);
  });
});
