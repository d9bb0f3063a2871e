/** A turn whose arguments were no JSON is known again however its client sends it back, in every protocol. */
import { afterEach, expect, it } from 'vitest';

import { inTurn } from '../../fakes/engine.js';
import { startGateway, type Gateway } from '../../fakes/gateway.js';

let gateway: Gateway;
afterEach(async () => gateway.close());

const CUT = '{"city": "Ro';
const SCRIPT = inTurn(
  {
    text: 'So. ',
    calls: [
      { id: 's1', name: 'calculator', arguments: '{"expression":"1+1"}' },
      { id: 'w1', name: 'weather', arguments: CUT },
    ],
  },
  { text: 'ok' },
);
const QUESTION = { role: 'user', content: 'q' };
const PARAMETERS = { type: 'object' };

type Body = (args: unknown) => object;
/** A protocol's path, and what it sends first and, with these arguments, next. */
const PROTOCOLS: readonly (readonly [path: string, first: object, next: Body, forms: readonly unknown[]])[] = [
  [
    'chat/completions',
    {
      tools: [{ type: 'function', function: { name: 'weather', parameters: PARAMETERS } }, { type: 'gyre:calculator' }],
    },
    (args) => ({
      messages: [
        QUESTION,
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'w1', type: 'function', function: { name: 'weather', arguments: args } }],
        },
        { role: 'tool', tool_call_id: 'w1', content: 'no' },
      ],
    }),
    [CUT, '{}', JSON.stringify(CUT), '{"city": "Rome"}'],
  ],
  [
    'responses',
    {
      tools: [{ type: 'function', name: 'weather', parameters: PARAMETERS }, { type: 'gyre:calculator' }],
      input: [QUESTION],
    },
    (args) => ({
      input: [
        QUESTION,
        { type: 'function_call', call_id: 'w1', name: 'weather', arguments: args },
        { type: 'function_call_output', call_id: 'w1', output: 'no' },
      ],
    }),
    [CUT, '{}', JSON.stringify(CUT)],
  ],
  [
    'messages',
    { max_tokens: 50, tools: [{ name: 'weather', input_schema: PARAMETERS }, { type: 'gyre:calculator' }] },
    (input) => ({
      messages: [
        QUESTION,
        { role: 'assistant', content: [{ type: 'tool_use', id: 'w1', name: 'weather', input }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'w1', content: 'no' }] },
      ],
    }),
    [{}, { city: 'Rome' }, { malformed_arguments: CUT }],
  ],
];

it.each(PROTOCOLS.flatMap(([path, first, next, forms]) => forms.map((form) => [path, form, first, next] as const)))(
  '%s: as %j',
  async (path, form, first, next) => {
    gateway = await startGateway({ script: SCRIPT });
    const post = async (body: object): Promise<number> =>
      (
        await fetch(`${gateway.url}/v1/${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'gyre', messages: path === 'responses' ? undefined : [QUESTION], ...body }),
        })
      ).status;
    expect(await post(first)).toBe(200);
    expect(await post({ ...first, ...next(form) })).toBe(200);
    expect(gateway.logged[1]?.trajectoryId).toBe(gateway.logged[0]?.trajectoryId);
    // The turn of our own tool is put back, and the policy has its own words.
    expect(gateway.logged[1]?.steps[0]?.messages).toMatchObject([
      QUESTION,
      { content: 'So. ', tool_calls: [{ id: 's1' }, { id: 'w1', function: { arguments: CUT } }] },
      { role: 'tool', tool_call_id: 's1', content: '2' },
      { role: 'tool', tool_call_id: 'w1', content: 'no' },
    ]);
  },
);
