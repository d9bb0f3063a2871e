/** `tool_choice` of the kind `allowed_tools` in Chat Completions: only those are declared to the policy. */
import { afterEach, expect, it } from 'vitest';

import { startGateway, type Gateway } from '../../fakes/gateway.js';

let gateway: Gateway;
afterEach(async () => gateway.close());

const fn = (name: string): object => ({ type: 'function', function: { name, parameters: { type: 'object' } } });
const allowed = (mode: string, ...tools: readonly object[]): object => ({
  type: 'allowed_tools',
  allowed_tools: { mode, tools },
});

function allowedOf(list: object): object {
  return { type: 'allowed_tools', allowed_tools: list };
}

async function ask(body: object): Promise<{ readonly status: number; readonly error: string; readonly sent: unknown }> {
  gateway = await startGateway();
  const response = await gateway.post({ model: 'gyre', messages: [{ role: 'user', content: 'q' }], ...body });
  const { error } = (await response.json()) as { error?: { message: string } };
  const sent = gateway.engine.requests[0]?.body;
  return {
    status: response.status,
    error: error?.message ?? '',
    sent: [sent?.tools?.map((each) => each.function.name), sent?.tool_choice],
  };
}

it('declares the functions and server tools that are allowed, and no other', async () => {
  const choice = allowed('auto', { type: 'function', function: { name: 'b' } }, { type: 'gyre:calculator' });
  expect((await ask({ tools: [fn('a'), fn('b')], tool_choice: choice })).sent).toEqual([['b', 'calculator'], 'auto']);
});

it('demands a call where it says "required"', async () => {
  const choice = allowed('required', fn('b'));
  expect((await ask({ tools: [fn('a'), fn('b')], tool_choice: choice })).sent).toEqual([['b'], 'required']);
});

it.each([
  ['a function that is not offered', allowed('auto', fn('c')), '"c"'],
  ['no tool, though a call is demanded', allowed('required'), 'none of the tools'],
  ['another mode', allowed('sometimes', fn('a')), 'tool_choice.allowed_tools.mode'],
])('is refused with %s', async (_, choice, says) => {
  const { status, error } = await ask({ tools: [fn('a')], tool_choice: choice });
  expect(status).toBe(400);
  expect(error).toContain(says);
});

it('has custom tools too', async () => {
  const patch = { type: 'custom', custom: { name: 'patch' } };
  expect((await ask({ tools: [fn('a'), patch], tool_choice: allowed('required', patch) })).sent).toEqual([
    ['patch'],
    'required',
  ]);
});

it.each<[string, object, RegExp]>([
  ['no list', { type: 'allowed_tools' }, /"tool_choice\.allowed_tools": must have the "mode".*the list "tools"/],
  ['no tools', allowedOf({ mode: 'auto' }), /"tool_choice\.allowed_tools\.tools": must be the list/],
  ['no mode', allowedOf({ tools: [] }), /tool_choice\.allowed_tools\.mode/],
  ['a tool without a name', allowed('auto', { type: 'function' }), /tool_choice\.allowed_tools\.tools\.0\.function/],
  ['a tool of another type', allowed('auto', { type: 'web' }), /tool_choice\.allowed_tools\.tools\.0\.type/],
])('is told what is missing where it has %s', async (_name, choice, says) => {
  const { status, error } = await ask({ tools: [fn('a')], tool_choice: choice });
  expect(status).toBe(400);
  expect(error).toMatch(says);
});

it('may allow nothing: then nothing is declared', async () => {
  expect((await ask({ tools: [fn('a')], tool_choice: allowed('auto') })).sent).toEqual([undefined, undefined]);
});
