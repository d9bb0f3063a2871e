/** Conversations of the Messages API: sent again by the official client, known again by the log. */
import type Anthropic from '@anthropic-ai/sdk';
import { afterEach, describe, expect, it } from 'vitest';

import { addFeedback } from '../../../src/store/read/feedback.js';
import { readTrajectory } from '../../../src/store/read/trajectories.js';
import { verify } from '../../../src/store/proof/verify.js';
import type { Reply } from '../../fakes/engine.js';
import { ASK, chunk, gateway, ODD, type Params, start, sum, WEATHER } from './client.js';

afterEach(async () => gateway.close());

describe('a conversation that goes on', () => {
  const mixed: Reply = {
    text: 'Let me see. ',
    calls: [
      { id: 'c1', name: 'calculator', arguments: '{ "expression":"1+1" }' },
      { id: 'c2', name: 'weather', arguments: ODD },
    ],
  };
  const params: Params = { ...ASK, tools: [WEATHER, { type: 'gyre:calculator' } as unknown as Anthropic.Tool] };

  it.each<[string, boolean, (input: unknown) => unknown]>([
    ['as the client got it', false, (input) => input],
    ['as the client put it together from a stream', true, (input) => input],
    ['with its keys in another order', false, (input) => ({ after: { a: [], z: null }, ...(input as object) })],
  ])('has the hidden turns put back when a mixed turn is sent again %s', async (_name, stream, again) => {
    const client = await start(mixed, { text: 'Sunny, 2.' }, { text: 'Yes.' });
    const first = stream ? await client.messages.stream(params).finalMessage() : await client.messages.create(params);
    expect(first.content.map((block) => block.type)).toEqual(['text', 'tool_use']);
    const content = first.content.map((block) =>
      block.type === 'tool_use' ? { ...block, input: again(block.input) } : block,
    ) as Anthropic.ContentBlockParam[];
    const messages: Anthropic.MessageParam[] = [
      ...params.messages,
      { role: 'assistant', content },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'c2', content: [{ type: 'text', text: 'sun' }] },
          { type: 'text', text: 'Well?' },
        ],
      },
    ];
    const second = await client.messages.create({ ...params, messages });
    await client.messages.create({
      ...params,
      messages: [
        ...messages,
        { role: 'assistant', content: second.content as Anthropic.ContentBlockParam[] },
        { role: 'user', content: 'Sure?' },
      ],
    });
    const [, , third] = gateway.engine.requests;
    expect(third?.body.messages).toEqual([
      { role: 'user', content: 'How many?' },
      {
        role: 'assistant',
        content: 'Let me see. ',
        tool_calls: mixed.calls?.map(({ id, name, arguments: args }) => ({
          id,
          type: 'function',
          function: { name, arguments: args },
        })),
      },
      { role: 'tool', tool_call_id: 'c1', content: '2' },
      { role: 'tool', tool_call_id: 'c2', content: 'sun' },
      { role: 'user', content: 'Well?' },
      { role: 'assistant', content: 'Sunny, 2.' },
      { role: 'user', content: 'Sure?' },
    ]);
    expect(new Set(gateway.logged.map((entry) => entry.trajectoryId)).size).toBe(1);
    expect(verify(gateway.store.db).problems).toEqual([]);
  });

  it('can be rated and read back by the ids of its answers', async () => {
    const client = await start({ text: 'ok' });
    const { id } = await client.messages.create(ASK);
    expect(addFeedback(gateway.store.db, { responseId: id, keyId: '', within: '', value: 1 })).toMatchObject({
      response_id: id,
      value: 1,
    });
    expect(readTrajectory(gateway.store.db, gateway.logged[0]?.trajectoryId ?? '')).toMatchObject({
      response_id: id,
      outcome: 'completed',
      feedback: [{ response_id: id }],
    });
  });

  it.each<[string, Reply]>([
    ['an input that was no object', { calls: [{ id: 'c2', name: 'weather', arguments: 'Rome, please' }] }],
    ['an input that was cut', { calls: [{ id: 'c2', name: 'weather', arguments: '{"city": "Ro' }], finish: 'length' }],
    ['calls without a word', { calls: [{ id: 'c2', name: 'weather', arguments: '{}' }] }],
    [
      'words after a call',
      {
        deltas: [
          chunk({ content: 'A' }),
          chunk({ tool_calls: [{ index: 0, id: 'c2', function: { name: 'weather', arguments: '{}' } }] }),
          chunk({ content: 'B' }),
        ],
        finish: 'tool_calls',
      },
    ],
    ['nothing at all', { text: [] }],
  ])('is known again after %s', async (_name, reply) => {
    const client = await start(reply, { text: 'Yes.' });
    const first = await client.messages.create(params);
    await client.messages.create({
      ...params,
      messages: [
        ...params.messages,
        { role: 'assistant', content: first.content as Anthropic.ContentBlockParam[] },
        { role: 'user', content: 'Sure?' },
      ],
    });
    expect(gateway.logged[1]?.trajectoryId).toBe(gateway.logged[0]?.trajectoryId);
  });

  it('can be gone on from by the Responses API', async () => {
    const client = await start(sum, { text: 'It is 2.' }, { text: 'Yes.' });
    const first = await client.messages.create({ ...ASK, system: 'Be brief.' });
    await gateway.client.responses.create({ model: 'gyre', input: 'Sure?', previous_response_id: first.id });
    expect(gateway.engine.requests[2]?.body.messages.map((message) => message.role)).toEqual([
      'system',
      'user',
      'assistant',
      'tool',
      'assistant',
      'user',
    ]);
    expect(gateway.logged[1]?.trajectoryId).toBe(gateway.logged[0]?.trajectoryId);
  });
});
