/** What upstreams sampled is logged like everything, and is never a version of the policy. */
import { afterEach, describe, expect, it } from 'vitest';

import { listTrajectories } from '../../../src/store/read/listing.js';
import { readTrajectory } from '../../../src/store/read/trajectories.js';
import { verify } from '../../../src/store/proof/verify.js';
import { inTurn, type EngineRequest, type Reply } from '../../fakes/engine.js';
import { ASK, both, call, closeOpened } from '../../fakes/upstreams.js';

afterEach(closeOpened);

describe('the log', () => {
  it("has an upstream's steps under its name, without a version, and not trainable", async () => {
    const { gateway } = await both(inTurn(call('2+3'), { text: 'It is 5.' }));
    const response = await gateway.post(ASK);
    expect(response.headers.get('x-gyre-policy-version')).toBeNull();
    const id = response.headers.get('x-gyre-trajectory') ?? '';
    await response.text();
    const trajectory = readTrajectory(gateway.store.db, id);
    expect(trajectory).toMatchObject({ model: 'big', policy_version: null, outcome: 'completed' });
    expect(
      trajectory?.steps.map(({ policy_version, trainable, not_trainable_reason, token_ids }) => [
        policy_version,
        trainable,
        not_trainable_reason,
        token_ids,
      ]),
    ).toEqual([
      [null, false, 'no_token_ids', null],
      [null, false, 'no_token_ids', null],
    ]);
    expect(trajectory?.steps[0]?.tool_calls).toMatchObject([{ name: 'calculator', owner: 'server', observation: '5' }]);
    expect(verify(gateway.store.db).problems).toEqual([]);
  });

  it("calls them the upstream's even where it gave token ids and logprobs", async () => {
    const { gateway } = await both(inTurn({ text: 'ok' }));
    await gateway.post({ ...ASK, return_token_ids: true, logprobs: true });
    const trajectory = readTrajectory(gateway.store.db, gateway.logged[0]?.trajectoryId ?? '');
    expect(trajectory?.steps[0]).toMatchObject({
      policy_version: null,
      trainable: false,
      not_trainable_reason: 'upstream',
    });
    expect(trajectory?.steps[0]?.token_ids).toHaveLength(2);
  });

  it('keeps one trajectory for one model; another model goes on in a branch, with what the tools said', async () => {
    const replies = (request: EngineRequest): Reply =>
      request.body.messages.at(-1)?.role === 'user' && request.body.messages.length === 1
        ? call('2+3')
        : { text: `turn ${request.body.messages.length}` };
    const { gateway, upstream } = await both(replies, { script: replies });
    const messages: { role: 'user' | 'assistant'; content: string }[] = [{ role: 'user', content: 'add' }];
    const turn = async (model: string): Promise<string | null> => {
      const response = await gateway.post({ model, messages });
      const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
      messages.push(
        { role: 'assistant', content: choices[0]?.message.content ?? '' },
        { role: 'user', content: 'go on' },
      );
      return response.headers.get('x-gyre-trajectory');
    };
    const [first, second, third, fourth] = [
      await turn('big'),
      await turn('big'),
      await turn('gyre'),
      await turn('gyre@base'),
    ];
    expect(second).toBe(first);
    expect(third).not.toBe(first);
    expect(fourth).toBe(third);
    expect(gateway.engine.requests[0]?.body.messages.map((message) => message.role)).toEqual([
      'user',
      'assistant',
      'tool',
      'assistant',
      'user',
      'assistant',
      'user',
    ]);
    expect(upstream.requests).toHaveLength(3);
    const models = listTrajectories(gateway.store.db, { limit: 10 }).data.map(({ id, model }) => [
      model,
      readTrajectory(gateway.store.db, id)?.steps.map((step) => step.policy_version),
    ]);
    expect(models).toEqual([
      ['gyre', [0, 0]],
      ['big', [null, null, null]],
    ]);
    expect(verify(gateway.store.db).ok).toBe(true);
  });
});
