/** What the policy reasons, as the Messages API shows it, signs it and takes it back. */
import type Anthropic from '@anthropic-ai/sdk';
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn, type Reply } from '../../fakes/engine.js';
import { bothWays, events, gateway, type Params, start, startBy, sum, WEATHER } from './client.js';

afterEach(async () => gateway.close());

const ASK = { model: 'gyre', max_tokens: 2_000, messages: [{ role: 'user', content: 'How many?' }] } as Params;
const REASONED: Reply = { reasoning: ['Two', ' and two.'], text: ['Four', ' days.'] };
const SECRET = new Uint8Array(32).fill(7);

describe('reasoning', () => {
  it.each<[string, Params['thinking']]>([
    ['enabled', { type: 'enabled', budget_tokens: 1_024 }],
    ['adaptive', { type: 'adaptive' }],
    ['summarized', { type: 'adaptive', display: 'summarized' }],
  ])('with thinking %s is a block before the text, the same whole and streamed', async (_name, thinking) => {
    const answers = await bothWays({ script: inTurn(REASONED), deps: { secret: SECRET } }, {
      ...ASK,
      thinking,
    } as Params);
    for (const { content } of answers)
      expect(content).toEqual([
        { type: 'thinking', thinking: 'Two and two.', signature: expect.stringMatching(/^gyre1\./) as string },
        { type: 'text', text: 'Four days.' },
      ]);
    expect(answers[0]?.['content']).toEqual(answers[1]?.['content']);
  });

  it('is streamed as it comes, and signed before its block ends', async () => {
    const client = await start(REASONED);
    const seen = await events(await client.messages.create({ ...ASK, thinking: { type: 'adaptive' }, stream: true }));
    const told = seen.flatMap((event) => {
      if (event.type === 'content_block_start') return [`start ${event.content_block.type}`];
      if (event.type === 'content_block_delta') return [event.delta.type];
      return event.type === 'content_block_stop' ? ['stop'] : [];
    });
    expect(told.filter((word, at) => word !== told[at - 1])).toEqual([
      'start thinking',
      'thinking_delta',
      'signature_delta',
      'stop',
      'start text',
      'text_delta',
      'stop',
    ]);
  });

  it.each<[string, object]>([
    ['nobody asks for it', {}],
    ['it is disabled', { thinking: { type: 'disabled' } }],
  ])('is not shown where %s', async (_name, more) => {
    const [whole, streamed] = await bothWays({ script: inTurn(REASONED) }, { ...ASK, ...more });
    for (const answer of [whole, streamed]) expect(answer?.['content']).toEqual([{ type: 'text', text: 'Four days.' }]);
  });

  it('whose words are to be omitted is a signature alone', async () => {
    const thinking = { type: 'adaptive', display: 'omitted' };
    for (const { content } of await bothWays({ script: inTurn(REASONED) }, { ...ASK, thinking } as Params))
      expect(content).toEqual([
        { type: 'thinking', thinking: '', signature: expect.any(String) as string },
        { type: 'text', text: 'Four days.' },
      ]);
  });

  it('of two steps are two blocks, each with its own signature', async () => {
    const [whole, streamed] = await bothWays(
      {
        script: inTurn({ ...sum, reasoning: 'A sum.' }, { reasoning: 'Done.', text: 'Two.' }),
        deps: { secret: SECRET },
      },
      { ...ASK, thinking: { type: 'adaptive' }, tools: [{ type: 'gyre:calculator' } as never] },
    );
    expect(whole?.['content']).toMatchObject([
      { type: 'thinking', thinking: 'A sum.' },
      { type: 'text', text: 'Let me see. ' },
      { type: 'thinking', thinking: 'Done.' },
      { type: 'text', text: 'Two.' },
    ]);
    expect(streamed?.['content']).toEqual(whole?.['content']);
  });

  it('stands before a call', async () => {
    const reply = { reasoning: 'hm', calls: [{ id: 'a', name: 'weather', arguments: '{"city":"Rome"}' }] };
    const answers = await bothWays(
      { script: inTurn(reply) },
      { ...ASK, thinking: { type: 'adaptive' }, tools: [WEATHER] },
    );
    for (const { content } of answers)
      expect(content).toMatchObject([{ type: 'thinking' }, { type: 'tool_use', input: { city: 'Rome' } }]);
  });
});

describe('reasoning that comes back', () => {
  const again = (client: Anthropic, content: Anthropic.MessageParam['content']): Promise<Anthropic.Message> =>
    client.messages.create({
      ...ASK,
      thinking: { type: 'adaptive' },
      messages: [...ASK.messages, { role: 'assistant', content }, { role: 'user', content: 'Sure?' }],
    });

  it('goes to the policy as its reasoning, and the conversation goes on', async () => {
    const client = await start(REASONED);
    const { content } = await client.messages.create({ ...ASK, thinking: { type: 'adaptive' } });
    await again(client, content);
    expect(gateway.engine.requests[1]?.body.messages[1]).toEqual({
      role: 'assistant',
      content: 'Four days.',
      reasoning: 'Two and two.',
    });
    expect(gateway.logged[1]?.trajectoryId).toBe(gateway.logged[0]?.trajectoryId);
  });

  it.each<[string, (block: Anthropic.ThinkingBlock) => Anthropic.ContentBlockParam]>([
    ['another words', (block) => ({ ...block, thinking: 'Five.' })],
    ['another signature', (block) => ({ ...block, signature: `${block.signature.slice(0, -1)}_` })],
    ['a signature of others', (block) => ({ ...block, signature: 'ErUBCkYIBxgC' })],
    ['no signature', ({ thinking }) => ({ type: 'thinking', thinking, signature: '' })],
    ['nothing to read', () => ({ type: 'redacted_thinking', data: 'EmwKAhgB' })],
  ])('with %s is dropped, and the conversation goes on', async (_name, change) => {
    const client = await start(REASONED);
    const { content } = await client.messages.create({ ...ASK, thinking: { type: 'adaptive' } });
    await again(
      client,
      content.map((block) => (block.type === 'thinking' ? change(block) : block)),
    );
    expect(gateway.engine.requests[1]?.body.messages[1]).toEqual({ role: 'assistant', content: 'Four days.' });
    expect(gateway.logged[1]?.trajectoryId).toBe(gateway.logged[0]?.trajectoryId);
  });

  it('is known by the next gateway of the folder, and by no other', async () => {
    const client = await startBy({ script: inTurn(REASONED), deps: { secret: SECRET } });
    const { content } = await client.messages.create({ ...ASK, thinking: { type: 'adaptive' } });
    for (const [secret, known] of [
      [SECRET, true],
      [new Uint8Array(32), false],
    ] as const) {
      await gateway.close();
      const next = await startBy({ script: inTurn(REASONED), deps: { secret } });
      await again(next, content);
      expect(gateway.engine.requests[0]?.body.messages[1]?.reasoning).toBe(known ? 'Two and two.' : undefined);
    }
  });

  it('is counted with the prompt', async () => {
    const client = await start(REASONED);
    const { content } = await client.messages.create({ ...ASK, thinking: { type: 'adaptive' } });
    const messages: Anthropic.MessageParam[] = [
      ...ASK.messages,
      { role: 'assistant', content },
      { role: 'user', content: 'Sure?' },
    ];
    for (const thinking of [{ type: 'adaptive' }, { type: 'enabled', budget_tokens: 1_024 }, { type: 'disabled' }]) {
      await client.messages.countTokens({ model: 'gyre', messages, thinking: thinking as never });
      expect(gateway.engine.counted.at(-1)?.messages[1]).toMatchObject({ reasoning: 'Two and two.' });
    }
  });
});

describe('whether to reason', () => {
  it.each([
    [{ thinking: { type: 'disabled' } }, { enable_thinking: false }],
    [{ thinking: { type: 'enabled', budget_tokens: 1_024 } }, { enable_thinking: true }],
    [{ thinking: { type: 'adaptive' } }, undefined],
    [{}, undefined],
    [
      { thinking: { type: 'disabled' }, chat_template_kwargs: { enable_thinking: true, a: 1 } },
      { enable_thinking: true, a: 1 },
    ],
  ])('is said to the template of the policy: %j', async (more, kwargs) => {
    const client = await start(REASONED);
    await client.messages.create({ ...ASK, ...more } as Params);
    expect(gateway.engine.requests[0]?.body).toHaveProperty('model');
    expect((gateway.engine.requests[0]?.body as Record<string, unknown> | undefined)?.['chat_template_kwargs']).toEqual(
      kwargs,
    );
  });
});
