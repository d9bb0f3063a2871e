/** A demanded call: a client waits for one of the functions it brought, whatever the default set may do before. */
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn, type Reply } from '../../fakes/engine.js';
import { startGateway, type Gateway, type GatewayOptions } from '../../fakes/gateway.js';

let gateway: Gateway;
afterEach(async () => gateway.close());

const OWN = { type: 'function', function: { name: 'weather', parameters: { type: 'object' } } };
const SUM: Reply = { calls: [{ name: 'calculator', arguments: '{"expression":"1+1"}' }] };
const RAIN: Reply = { calls: [{ name: 'weather', arguments: '{}' }] };

async function ask(replies: readonly Reply[], body: object, options: GatewayOptions = {}): Promise<unknown> {
  gateway = await startGateway({ script: inTurn(...replies), ...options });
  const messages = [{ role: 'user', content: 'q' }];
  const response = await gateway.post({ model: 'gyre', messages, tool_choice: 'required', ...body });
  const { choices } = (await response.json()) as {
    choices: { finish_reason: string; message: { tool_calls?: { function: { name: string } }[] } }[];
  };
  return choices.map((choice) => [choice.finish_reason, choice.message.tool_calls?.map((call) => call.function.name)]);
}

const sent = (): unknown =>
  gateway.engine.requests.map(({ body }) => [body['tool_choice'], body.tools?.map((tool) => tool.function.name)]);

const OWNS = [['tool_calls', ['weather']]];

describe('a call that is demanded of a client with functions of its own', () => {
  it('is one of those, also after a server tool of the default set', async () => {
    expect(await ask([SUM, RAIN], { tools: [OWN] })).toEqual(OWNS);
    expect(sent()).toEqual([
      ['required', ['weather', 'calculator']],
      ['required', ['weather']],
    ]);
    expect(gateway.engine.requests[1]?.body.messages.at(-1)).toMatchObject({ role: 'tool', content: '2' });
  });

  it('is one of those at a limit too, and nothing says that no call is possible', async () => {
    expect(await ask([SUM, RAIN], { tools: [OWN] }, { config: { 'limits.steps': 1 } })).toEqual(OWNS);
    expect(gateway.engine.requests[1]?.body.messages.at(-1)).toMatchObject({ role: 'tool', content: '2' });
  });

  it('ends at a limit where the policy goes on calling what it was not offered', async () => {
    const ended = await ask([SUM], { tools: [OWN] }, { config: { 'limits.steps': 2 } });
    expect(ended).toEqual([['length', undefined]]);
    expect(gateway.engine.requests).toHaveLength(3);
    expect(gateway.logged[0]?.ending?.stopReason).toBe('max_steps');
  });
});

it.each([
  ['a server tool it named', [OWN, { type: 'gyre:calculator' }], ['weather', 'calculator']],
  ['a default tool, where it brought no function', undefined, ['calculator']],
])('a demanded call may be one of %s', async (_, tools, declared) => {
  expect(await ask([SUM, { text: 'Two.' }], { tools })).toEqual([['stop', undefined]]);
  expect(sent()).toEqual([
    ['required', declared],
    ['auto', declared],
  ]);
});
