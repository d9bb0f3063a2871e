/** What is more than words in an answer, as it was told, is there when a stored response is read back. */
import type OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';

import { verify } from '../../../src/store/proof/verify.js';
import { inTurn, type Reply, startEngine } from '../../fakes/engine.js';
import { startGateway, type Gateway, type GatewayOptions } from '../../fakes/gateway.js';

type Asked = OpenAI.Responses.ResponseCreateParamsNonStreaming;

let gateway: Gateway;
afterEach(async () => gateway.close());
const start = async (...replies: Reply[]): Promise<OpenAI> => startBy({ script: inTurn(...replies) });
const startBy = async (options: GatewayOptions): Promise<OpenAI> => (gateway = await startGateway(options)).client;

const CALCULATOR = { type: 'gyre:calculator' } as unknown as OpenAI.Responses.Tool;
const WEATHER = { type: 'function' as const, name: 'weather', parameters: { type: 'object' }, strict: null };
const sum: Reply = {
  reasoning: 'They want a sum.',
  text: 'Let me see. ',
  calls: [{ id: 'c1', name: 'calculator', arguments: '{ "expression": "1+1" }' }],
};
async function rows(path: string, init: RequestInit = {}): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${gateway.url}${path}`, init);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** What time alone changes. */
const timeless = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value).replace(/"completed_at":\d+/g, '"completed_at":0'));

describe('what an upstream said in forms of its own is read back as it was answered', () => {
  const cited = (url: string, start: number, end: number): object => ({
    type: 'url_citation',
    url_citation: { url, title: 'T', start_index: start, end_index: end },
  });
  const CASES: readonly (readonly [string, readonly Reply[], Partial<Asked>])[] = [
    [
      'log-probabilities',
      [{ text: ['Four', ' days.'] }],
      { include: ['message.output_text.logprobs'], top_logprobs: 2 },
    ],
    [
      'log-probabilities around a server tool',
      [sum, { text: ['Two', '.'] }],
      { tools: [CALCULATOR], include: ['message.output_text.logprobs'] },
    ],
    [
      'citations',
      [
        {
          deltas: [
            { content: 'Rain ', annotations: [cited('https://a.example', 0, 4)] },
            { content: 'soon.', annotations: [cited('https://b.example', 5, 9)] },
          ],
          finish: 'stop',
        },
      ],
      {},
    ],
    [
      'citations after the text of a tool’s turn',
      [sum, { deltas: [{ content: 'Rain.' }, { annotations: [cited('https://a.example', 0, 4)] }], finish: 'stop' }],
      {},
    ],
    ['a refusal', [{ deltas: [{ refusal: "I can't" }, { refusal: ' do that.' }], finish: 'stop' }], {}],
    [
      'a refusal among texts',
      [{ deltas: [{ content: 'Well. ' }, { refusal: 'No.' }, { content: ' Sorry.' }], finish: 'stop' }],
      {},
    ],
    [
      'reasoning after text, and text after a call',
      [
        {
          deltas: [
            { content: 'One. ' },
            { reasoning_content: 'Hm.' },
            { content: 'Two. ' },
            { tool_calls: [{ index: 0, id: 'w', function: { name: 'weather', arguments: '{}' } }] },
            { content: 'Three.' },
          ],
          finish: 'tool_calls',
        },
      ],
      { tools: [WEATHER] },
    ],
  ];
  it.each(CASES)('%s', async (_name, replies, more) => {
    const upstream = await startEngine({ script: inTurn(...replies), models: ['big'] });
    try {
      const client = await startBy({ config: { upstreams: [{ url: upstream.url, models: ['big'] }] } });
      const answered = await client.responses.create({ model: 'big', input: 'q', ...more } as Asked);
      const { status, body } = await rows(`/v1/responses/${answered.id}`);
      const { output_text: _, ...plain } = answered;
      expect(status).toBe(200);
      expect(timeless(body)).toEqual(timeless(plain));
      const events = await (await fetch(`${gateway.url}/v1/responses/${answered.id}?stream=true`)).text();
      const [last = '{}'] = events
        .split('\n')
        .flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : []))
        .slice(-1);
      expect(timeless((JSON.parse(last) as { readonly response: unknown }).response)).toEqual(timeless(plain));
      expect(verify(gateway.store.db).problems).toEqual([]);
    } finally {
      await upstream.close();
    }
  });

  it('and nothing of it is kept of an answer that may not be read back', async () => {
    const client = await start({ text: ['Four', ' days.'] });
    const asked = { model: 'gyre', input: 'q', include: ['message.output_text.logprobs' as const] };
    await client.responses.create({ ...asked, store: false });
    await client.chat.completions.create({ model: 'gyre', messages: [{ role: 'user', content: 'q' }], logprobs: true });
    expect(gateway.store.sqlite.prepare('SELECT told FROM steps').all()).toEqual([{ told: null }, { told: null }]);
    await client.responses.create(asked);
    expect(gateway.store.sqlite.prepare('SELECT told FROM steps WHERE told IS NOT NULL').all()).toHaveLength(1);
  });
});
