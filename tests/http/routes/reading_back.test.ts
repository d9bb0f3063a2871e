/** A trajectory read back: what its client said and got, what the policy saw and said, and how each step was drawn. */
import Anthropic from '@anthropic-ai/sdk';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Message } from '../../../src/core/message.js';
import type { StepView, TrajectorySummary, TrajectoryView } from '../../../src/core/reading.js';
import { verify } from '../../../src/store/proof/verify.js';
import { type EngineRequest, inTurn, type Reply } from '../../fakes/engine.js';
import { type Gateway, startGateway } from '../../fakes/gateway.js';
import { both, call, closeOpened } from '../../fakes/upstreams.js';

const COUNT = { calls: [{ id: 'c1', name: 'calculator', arguments: '{"expression":"2+3"}' }] };
/** Calls the calculator once for each question of a user, then answers. */
const counting = ({ body }: EngineRequest): Reply =>
  body.messages.at(-1)?.role === 'user' ? COUNT : { text: `It is 5 (${body.messages.length}).` };
const PICTURE =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg' +
  'gg==';

let gateway: Gateway;
beforeEach(async () => {
  gateway = await startGateway({ script: counting });
});
afterEach(async () => {
  await gateway.app.idle();
  expect(verify(gateway.store.db).problems).toEqual([]);
  await gateway.close();
});

async function get<T>(path: string): Promise<T> {
  const response = await fetch(`${gateway.url}/gyre/v1/${path}`);
  expect(response.status, await response.clone().text()).toBe(200);
  return (await response.json()) as T;
}
const trajectory = (id: string, query = ''): Promise<TrajectoryView> => get(`trajectories/${id}${query}`);
const summaries = async (query = ''): Promise<TrajectorySummary[]> =>
  (await get<{ data: TrajectorySummary[] }>(`trajectories${query}`)).data;
const idOf = (response: Response): string => response.headers.get('x-gyre-trajectory') ?? '';
const said = (messages: readonly Message[]): unknown[] => messages.map(({ role, content }) => [role, content]);

const FIND = { type: 'function', function: { name: 'find', description: 'Finds.', parameters: { type: 'object' } } };

describe('a chat', () => {
  it('has the messages its client sent and got, and with view=policy those of the policy', async () => {
    const messages = [
      { role: 'system', content: 'Be brief. Ünïcödé 🏳️‍🌈.' },
      { role: 'user', content: 'What is 2+3?' },
    ];
    const asked = await gateway.post({
      model: 'gyre',
      messages,
      temperature: 0.5,
      seed: 7,
      metadata: { team: 'blue' },
    });
    const id = idOf(asked);
    expect(await trajectory(id)).toMatchObject({
      id,
      origin: 'live',
      task: null,
      metadata: { team: 'blue' },
      outcome: 'completed',
      messages: [...messages, { role: 'assistant', content: 'It is 5 (4).' }],
      steps: [
        {
          index: 0,
          action: '',
          tool_choice: 'auto',
          sampling: { temperature: 0.5, seed: 7 },
          task: null,
          tools: [{ name: 'calculator' }],
          tool_calls: [{ name: 'calculator', owner: 'server', observation: '5' }],
        },
        { index: 1, action: 'It is 5 (4).', sampling: { temperature: 0.5, seed: 7 } },
      ],
    });
    const policy = await trajectory(id, '?view=policy');
    expect(said(policy.messages)).toEqual([
      ['system', 'Be brief. Ünïcödé 🏳️‍🌈.'],
      ['user', 'What is 2+3?'],
      ['assistant', null],
      ['tool', '5'],
      ['assistant', 'It is 5 (4).'],
    ]);
    // What the engine was sent and what it said are exactly these.
    expect(said(policy.messages.slice(0, -1))).toEqual(
      gateway.engine.requests.at(-1)?.body.messages.map(({ role, content }) => [role, content]),
    );
  });

  it('has its whole conversation in each view after a spliced follow-up, and a branch has its own', async () => {
    const first = [{ role: 'user', content: 'first' }];
    const id = idOf(await gateway.post({ model: 'gyre', messages: first }));
    const second = [...first, { role: 'assistant', content: 'It is 5 (3).' }, { role: 'user', content: 'second' }];
    expect(idOf(await gateway.post({ model: 'gyre', messages: second }))).toBe(id);
    const branched = [...second.slice(0, 2), { role: 'user', content: 'instead' }];
    const branch = idOf(await gateway.post({ model: 'gyre', messages: branched }));
    expect(branch).not.toBe(id);
    expect((await trajectory(id)).messages).toEqual([...second, { role: 'assistant', content: 'It is 5 (7).' }]);
    expect((await trajectory(id, '?view=policy')).messages.map(({ role }) => role)).toEqual([
      ...['user', 'assistant', 'tool', 'assistant'],
      ...['user', 'assistant', 'tool', 'assistant'],
    ]);
    expect((await trajectory(branch)).messages).toEqual([...branched, { role: 'assistant', content: 'It is 5 (7).' }]);
    // Deleting one takes nothing from the other.
    await fetch(`${gateway.url}/gyre/v1/trajectories/${id}`, { method: 'DELETE' });
    expect((await trajectory(branch)).messages).toHaveLength(4);
    expect((await summaries()).map((row) => row.id)).toEqual([branch]);
    expect(await summaries('?q=second')).toEqual([]);
  });

  it("has a client's own calls and what it answered them, and their tools as they were offered", async () => {
    gateway.engine.script = inTurn({ calls: [{ id: 'f1', name: 'find', arguments: '{"q":"x"}' }] }, { text: 'Found.' });
    const messages: object[] = [{ role: 'user', content: 'find x' }];
    const ask = async (): Promise<{ id: string; message: object }> => {
      const response = await gateway.post({ model: 'gyre', messages, tools: [FIND], tool_choice: 'auto' });
      const body = (await response.json()) as { choices: { message: object }[] };
      return { id: idOf(response), message: body.choices[0]?.message ?? {} };
    };
    const asked = await ask();
    expect((await trajectory(asked.id)).messages.at(-1)).toMatchObject({
      role: 'assistant',
      // In the spelling that the log has for all.
      tool_calls: [{ id: 'f1', function: { name: 'find', arguments: '{"q": "x"}' } }],
    });
    expect((await summaries())[0]).toMatchObject({ question: 'find x', answer: 'find({"q": "x"})' });
    messages.push(asked.message, { role: 'tool', tool_call_id: 'f1', content: 'at home' });
    expect((await ask()).id).toBe(asked.id);
    const whole = await trajectory(asked.id);
    expect(whole.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant']);
    expect(whole.steps[0]?.tools).toContainEqual({
      name: 'find',
      description: 'Finds.',
      parameters: { type: 'object' },
    });
    expect(whole.steps[0]?.tool_calls).toMatchObject([{ name: 'find', owner: 'client', observation: 'at home' }]);
    expect((await summaries())[0]).toMatchObject({
      question: 'find x',
      answer: 'Found.',
      counts: { messages: 4, steps: 2, tool_calls: 1 },
    });
  });

  it('has its tokens only where they are asked for, and a step by its id always', async () => {
    const id = idOf(await gateway.post({ model: 'gyre', messages: [{ role: 'user', content: 'q' }] }));
    const plain = await fetch(`${gateway.url}/gyre/v1/trajectories/${id}`);
    expect(await plain.text()).not.toMatch(/token_ids|logprobs/);
    const { steps } = await trajectory(id, '?include=tokens&view=policy');
    for (const step of steps) {
      expect(step.token_ids).toHaveLength(step.logprobs?.length ?? -1);
      expect(step.prompt_token_ids?.length).toBe(step.usage.prompt_tokens);
    }
    const one = await get<StepView>(`steps/${steps[0]?.id ?? ''}`);
    expect(one.token_ids).toEqual(steps[0]?.token_ids);
    const [listed] = (await get<{ data: TrajectoryView[] }>('trajectories?view=client&include=tokens')).data;
    expect(listed?.steps.map(({ token_ids: ids }) => ids)).toEqual(steps.map(({ token_ids: ids }) => ids));
  });

  it('has pictures as they were sent; its summary says that there was one', async () => {
    gateway.engine.script = inTurn({ text: 'A dot.' });
    const content = [
      { type: 'text', text: 'What is this?' },
      { type: 'image_url', image_url: { url: PICTURE } },
    ];
    const response = await gateway.post({ model: 'gyre', messages: [{ role: 'user', content }] });
    expect(response.status).toBe(200);
    const [message] = (await trajectory(idOf(response))).messages;
    expect(JSON.stringify(message)).toContain('What is this?');
    const [summary] = await summaries();
    expect(summary?.question).toMatch(/^What is this\? \[\w+\]$/);
    expect(JSON.stringify(summary)).not.toContain('base64');
    expect(await summaries('?q=iVBORw0KGgo')).toEqual([]);
  });

  it('shows in a summary only first words, on one line and never half a letter', async () => {
    gateway.engine.script = inTurn({ text: `one\n\n two ${'👨‍👩‍👧 '.repeat(200)}` });
    await gateway.post({ model: 'gyre', messages: [{ role: 'user', content: 'x'.repeat(500_000) }] });
    const [summary] = await summaries();
    expect(summary?.question).toBe(`${'x'.repeat(160)}…`);
    expect(summary?.answer).toMatch(/^one two (👨‍👩‍👧 )+👨‍👩‍👧…$/u);
    expect(JSON.stringify(summary).length).toBeLessThan(1_500);
  });

  it('of several choices ends with one, and each is a step', async () => {
    gateway.engine.script = (_, number) => ({ text: `choice ${number}` });
    const id = idOf(
      await gateway.post({ model: 'gyre', messages: [{ role: 'user', content: 'q' }], n: 2, tool_choice: 'none' }),
    );
    const whole = await trajectory(id);
    expect(whole.steps).toHaveLength(2);
    expect(whole.messages).toHaveLength(2);
    expect(whole.steps.map(({ action }) => action)).toContain(whole.messages[1]?.content);
  });

  it('that failed has its question and no answer', async () => {
    gateway.engine.script = inTurn({ status: 500, body: 'broken' });
    const response = await gateway.post({ model: 'gyre', messages: [{ role: 'user', content: 'q' }] });
    expect(response.status).toBe(502);
    const [summary] = await summaries();
    if (summary === undefined) return;
    expect(summary).toMatchObject({ question: 'q', outcome: 'failed' });
    expect((await trajectory(summary.id)).messages[0]).toEqual({ role: 'user', content: 'q' });
  });
});

describe('the other protocols', () => {
  it('Responses: instructions and what previous_response_id stands for are there', async () => {
    const { client } = gateway;
    const first = await client.responses
      .create({ model: 'gyre', instructions: 'Rhyme.', input: 'first' })
      .withResponse();
    const second = await client.responses
      .create({
        model: 'gyre',
        instructions: 'Rhyme.',
        input: [{ role: 'user', content: [{ type: 'input_text', text: 'second' }] }],
        previous_response_id: first.data.id,
      })
      .withResponse();
    const id = idOf(second.response);
    expect(id).toBe(idOf(first.response));
    expect(said((await trajectory(id)).messages)).toEqual([
      ['system', 'Rhyme.'],
      ['user', 'first'],
      ['assistant', first.data.output_text],
      ['user', 'second'],
      ['assistant', second.data.output_text],
    ]);
    expect((await trajectory(id, '?view=policy')).messages).toHaveLength(9);
    expect((await summaries('?q=rhyme')).map((row) => row.id)).toEqual([id]);
  });

  it('Responses: one that was deleted is not in its trajectory, and its step is gone', async () => {
    const { client } = gateway;
    gateway.engine.script = inTurn({ text: 'xyzzy one' }, { text: 'xyzzy two' });
    const first = await client.responses.create({ model: 'gyre', input: 'q' }).withResponse();
    const second = await client.responses.create({
      model: 'gyre',
      input: 'plugh',
      previous_response_id: first.data.id,
    });
    const id = idOf(first.response);
    const [, last] = (await trajectory(id)).steps;
    await client.responses.delete(second.id);
    const left = await trajectory(id);
    expect(left.response_id).toBe(first.data.id);
    expect(left.messages).toEqual([
      { role: 'user', content: 'q' },
      { role: 'assistant', content: 'xyzzy one' },
    ]);
    expect(left.steps).toHaveLength(1);
    expect((await fetch(`${gateway.url}/gyre/v1/steps/${last?.id ?? ''}`)).status).toBe(404);
    expect(await summaries('?q=xyzzy two')).toEqual([]);
    expect(await summaries('?q=plugh')).toEqual([]);
    expect(await summaries('?q=xyzzy one')).toMatchObject([{ answer: 'xyzzy one', counts: { steps: 1, messages: 2 } }]);
  });

  it('Messages: the system prompt, blocks and tool results are there', async () => {
    const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'any', maxRetries: 0 });
    gateway.engine.script = inTurn(
      { calls: [{ id: 'toolu_1', name: 'find', arguments: '{"q":"x"}' }] },
      { text: 'So.' },
    );
    const tools = [{ name: 'find', input_schema: { type: 'object' as const } }];
    const question = { role: 'user' as const, content: [{ type: 'text' as const, text: 'where is x?' }] };
    const base = { model: 'gyre', max_tokens: 99, system: 'You find.', tools };
    const first = await anthropic.messages.create({ ...base, messages: [question] }).withResponse();
    await anthropic.messages.create({
      ...base,
      messages: [
        question,
        { role: 'assistant', content: first.data.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'here' }] },
      ],
    });
    const whole = await trajectory(idOf(first.response));
    expect(said(whole.messages)).toEqual([
      ['system', 'You find.'],
      ['user', 'where is x?'],
      ['assistant', null],
      ['tool', 'here'],
      ['assistant', 'So.'],
    ]);
    expect(whole.steps[0]?.sampling.max_tokens).toBe(99);
  });

  it('raw completions have their prompt', async () => {
    gateway.engine.script = inTurn({ text: ' a time' });
    const response = await fetch(`${gateway.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gyre', prompt: 'Once upon' }),
    });
    expect(response.status).toBe(200);
    expect((await summaries())[0]).toMatchObject({ question: 'Once upon', not_trainable_reasons: { raw_prompt: 1 } });
    expect((await summaries('?q=once UPON')).length).toBe(1);
  });
});

describe('an upstream', () => {
  afterEach(closeOpened);
  it("has its turns in both views, and no version of the policy's", async () => {
    const { gateway: before } = await both(inTurn(call('2+3'), { text: 'It is 5.' }));
    const response = await before.post({ model: 'big', messages: [{ role: 'user', content: 'add' }] });
    const read = async (query: string): Promise<TrajectoryView> =>
      (await (await fetch(`${before.url}/gyre/v1/trajectories/${idOf(response)}${query}`)).json()) as TrajectoryView;
    expect(said((await read('')).messages)).toEqual([
      ['user', 'add'],
      ['assistant', 'It is 5.'],
    ]);
    expect((await read('?view=policy')).messages).toHaveLength(4);
    expect(await read('?view=summary')).toMatchObject({
      policy_version: null,
      policy_versions: [],
      not_trainable_reasons: { no_token_ids: 2 },
      counts: { steps: 2, trainable_steps: 0 },
    });
  });
});
