/** What `tool_choice` of Chat Completions leaves to be declared to the policy. */
import { afterEach, expect, it } from 'vitest';

import { startGateway, type Gateway } from '../../fakes/gateway.js';

let gateway: Gateway;
afterEach(async () => gateway.close());

const fn = (name: string): object => ({ type: 'function', function: { name, parameters: { type: 'object' } } });
const allowed = (mode: string, ...tools: readonly object[]): object => ({
  type: 'allowed_tools',
  allowed_tools: { mode, tools },
});

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

it('that demands a call of the functions it brought is not given a server tool of the default set', async () => {
  expect((await ask({ tools: [fn('a')], tool_choice: 'required' })).sent).toEqual([['a'], 'required']);
});

it.each([
  ['named in "tools"', { tools: [fn('a'), { type: 'gyre:calculator' }] }, ['a', 'calculator']],
  ['of the default set, where it brought no function', {}, ['calculator']],
])('that demands a call may be given one of a server tool %s', async (_, tools, declared) => {
  expect((await ask({ ...tools, tool_choice: 'required' })).sent).toEqual([declared, 'required']);
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

it('is told of a custom tool which protocol takes it', async () => {
  const { status, error } = await ask({ tools: [{ type: 'custom', custom: { name: 'patch' } }] });
  expect(status).toBe(400);
  expect(error).toMatch(/tools\.0\.type.*\/v1\/responses.*"custom"/);
});
