import { afterEach, expect, test } from 'vitest';

import { stateOf } from '../../../src/store/read/state.js';
import { tokenId } from '../../fakes/engine.js';
import { type Gateway, type GatewayOptions, startGateway } from '../../fakes/gateway.js';
import { both, closeOpened, opened } from '../../fakes/upstreams.js';
import { lookedAt } from '../../learner/counted.js';

afterEach(closeOpened);

async function start(options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = await startGateway({ script: () => ({ text: ' upon a time' }), ...options });
  opened.push(gateway);
  return gateway;
}

interface Choice {
  readonly index: number;
  readonly text: string;
  readonly logprobs: {
    readonly tokens: string[];
    readonly token_logprobs: (number | null)[];
    readonly top_logprobs: (Record<string, number> | null)[];
    readonly text_offset: number[];
  } | null;
  readonly finish_reason: string;
  readonly prompt_token_ids?: number[];
  readonly token_ids?: number[];
}
interface Completion {
  readonly id: string;
  readonly object: string;
  readonly choices: Choice[];
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number };
  readonly error?: { readonly message: string; readonly param: string | null; readonly code: string };
}

const post = (gateway: Gateway, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${gateway.url}/v1/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'gyre', ...(body as object) }),
    headers: { 'content-type': 'application/json', ...headers },
  });
const complete = async (gateway: Gateway, body: unknown): Promise<Completion> =>
  (await (await post(gateway, body)).json()) as Completion;

test('the policy goes on with a raw prompt, and the step is logged with the ids it was asked with', async () => {
  const gateway = await start();
  const response = await post(gateway, { prompt: 'Once', temperature: 0.5, max_tokens: 8, stop: ['\n'], seed: 7 });
  const answer = (await response.json()) as Completion;
  expect(answer).toMatchObject({
    id: expect.stringMatching(/^cmpl/) as string,
    object: 'text_completion',
    choices: [{ index: 0, text: ' upon a time', logprobs: null, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 4 },
  });
  expect(answer.choices[0]).not.toHaveProperty('token_ids');
  expect(gateway.engine.requests[0]).toMatchObject({
    path: '/v1/completions',
    body: { model: 'base', prompt: 'Once', temperature: 0.5, max_tokens: 8, stop: ['\n'], seed: 7, logprobs: 0 },
  });
  expect(gateway.engine.requests[0]?.body).not.toHaveProperty('echo');
  expect(gateway.engine.requests[0]?.body).not.toHaveProperty('messages');
  expect(response.headers.get('x-gyre-policy-version')).toBe('0');

  const [logged] = gateway.logged;
  expect(response.headers.get('x-gyre-trajectory')).toBe(logged?.trajectoryId);
  const [step] = logged?.steps ?? [];
  expect(step).toMatchObject({ notTrainable: 'raw_prompt', tools: [], action: { text: ' upon a time' } });
  expect(stateOf(gateway.store.db, step?.id ?? '')).toMatchObject({
    messages: [{ role: 'user', content: [{ type: 'raw_prompt', text: 'Once' }] }],
    promptTokenIds: [tokenId('Once')],
    tokenIds: [tokenId(' upon'), tokenId(' a'), tokenId(' time'), 2],
    logprobs: [-0.25, -0.25, -0.25, -0.25],
    text: ' upon a time',
  });
});

test('no learner takes it up in any mode, whatever it was drawn with', async () => {
  const gateway = await start();
  await complete(gateway, { prompt: 'Once' });
  await complete(gateway, { prompt: 'Once', temperature: 0, n: 2 });
  for (const mode of ['resample', 'logged', 'sft'] as const) {
    const rows = lookedAt(gateway.store.db, 'none', mode);
    expect(rows).toHaveLength(3);
    for (const row of rows) expect(row).toMatchObject({ hasState: false, notTrainable: 'raw_prompt' });
  }
});

test('a conversation that says the same is not taken for its continuation', async () => {
  const gateway = await start();
  await complete(gateway, { prompt: 'Once' });
  await gateway.post({
    model: 'gyre',
    messages: [
      { role: 'user', content: 'Once' },
      { role: 'assistant', content: ' upon a time' },
      { role: 'user', content: 'And then?' },
    ],
  });
  expect(gateway.logged[1]?.trajectoryId).not.toBe(gateway.logged[0]?.trajectoryId);
});

test.each([
  ['a text', 'a b', ['a b'], [2]],
  ['texts', ['a b', 'c'], ['a b', 'c'], [2, 1]],
  ['ids', [5, 6, 7], [' t5 t6 t7'], [3]],
  ['lists of ids', [[5, 6], [7]], [' t5 t6', ' t7'], [2, 1]],
])('a prompt may be %s', async (_, prompt, texts, lengths) => {
  const gateway = await start();
  const answer = await complete(gateway, { prompt, echo: true, return_token_ids: true, logprobs: 1 });
  expect(gateway.engine.requests[0]?.body['prompt']).toEqual(
    Array.isArray(prompt) && prompt.length === 1 ? prompt[0] : prompt,
  );
  expect(answer.choices.map((choice) => choice.text)).toEqual(texts.map((text) => `${text} upon a time`));
  expect(answer.choices.map((choice) => choice.prompt_token_ids?.length)).toEqual(lengths);
  expect(answer.choices.map((choice) => choice.token_ids?.length)).toEqual(lengths.map(() => 4));
  expect(answer.choices.map((choice) => choice.index)).toEqual(lengths.map((__, at) => at));
  const [logged] = gateway.logged;
  expect(logged?.steps.map((step) => step.messages.length)).toEqual(lengths.map(() => 1));
  expect(logged?.steps.map((step) => stateOf(gateway.store.db, step.id)?.promptTokenIds?.length)).toEqual(lengths);
});

test('several answers to several prompts are numbered prompt by prompt, each logged at its own state', async () => {
  const gateway = await start({ script: () => ({ variants: [{ text: ' one' }, { text: ' two' }] }) });
  const answer = await complete(gateway, { prompt: ['a', 'b'], n: 2 });
  expect(answer.choices.map(({ index, text }) => [index, text])).toEqual([
    [0, ' one'],
    [1, ' two'],
    [2, ' one'],
    [3, ' two'],
  ]);
  expect(answer.usage).toMatchObject({ prompt_tokens: 2, completion_tokens: 8 });
  const states = gateway.logged[0]?.steps.map((step) => stateOf(gateway.store.db, step.id)?.messages);
  expect(JSON.stringify(states)).toBe(
    JSON.stringify(['a', 'a', 'b', 'b'].map((text) => [{ content: [{ text, type: 'raw_prompt' }], role: 'user' }])),
  );
});

test('echo and logprobs come in the legacy shape, the prompt first, as loglikelihoods are read from it', async () => {
  const gateway = await start({ script: () => ({ text: ' c' }) });
  const answer = await complete(gateway, { prompt: [[5, 6]], max_tokens: 1, echo: true, logprobs: 1, temperature: 0 });
  expect(gateway.engine.requests[0]?.body).toMatchObject({ echo: true, logprobs: 1, prompt: [5, 6] });
  expect(answer.choices[0]).toEqual({
    index: 0,
    text: ' t5 t6 c',
    finish_reason: 'stop',
    logprobs: {
      tokens: [' t5', ' t6', ' c', ''],
      token_logprobs: [null, -1.25, -2.25, -0.25],
      top_logprobs: [null, { ' t6': -1.25, other0: -2 }, { ' c': -2.25, other0: -3 }, { '': -0.25, other0: -1 }],
      text_offset: [0, 3, 6, 8],
    },
  });
  // What was sampled is the action; the prompt's tokens are none of it.
  expect(gateway.logged[0]?.steps[0]?.action).toMatchObject({ text: ' c', logprobs: [-2.25, -0.25] });
});

test('with max_tokens 0 the prompt is weighed and nothing is answered', async () => {
  const gateway = await start();
  for (const prompt of ['a b', [5, 6]]) {
    const answer = await complete(gateway, { prompt, max_tokens: 0, echo: true, logprobs: 0, return_token_ids: true });
    expect(answer.choices[0]).toMatchObject({
      finish_reason: 'length',
      token_ids: [],
      text: typeof prompt === 'string' ? 'a b' : ' t5 t6',
    });
    expect(answer.choices[0]?.logprobs?.token_logprobs).toEqual([null, -1.25]);
  }
  expect(await complete(gateway, { prompt: 'a b', max_tokens: 0, echo: true })).toMatchObject({
    choices: [{ text: 'a b' }],
  });
  expect(gateway.logged[0]?.steps[0]?.action).toMatchObject({ text: '' });
});

test('a text is echoed without asking the engine for its tokens', async () => {
  const gateway = await start();
  expect((await complete(gateway, { prompt: ['a', 'b'], echo: true })).choices.map(({ text }) => text)).toEqual([
    'a upon a time',
    'b upon a time',
  ]);
  expect(gateway.engine.requests[0]?.body).not.toHaveProperty('echo');
});

async function chunksOf(response: Response): Promise<(Completion & { usage?: unknown })[]> {
  const lines = (await response.text()).split('\n').filter((line) => line.startsWith('data: '));
  expect(lines.pop()).toBe('data: [DONE]');
  return lines.map((line) => JSON.parse(line.slice(6)) as Completion);
}

test('a stream tells the same, and usage where it is asked for', async () => {
  const gateway = await start();
  const asked = {
    prompt: ['a b', 'c'],
    stream: true,
    echo: true,
    logprobs: 1,
    stream_options: { include_usage: true },
  };
  const chunks = await chunksOf(await post(gateway, asked));
  const of = (index: number): Choice[] =>
    chunks.flatMap(({ choices }) => choices).filter((each) => each.index === index);
  expect(
    of(0)
      .map(({ text }) => text)
      .join(''),
  ).toBe('a b upon a time');
  expect(
    of(1)
      .map(({ text }) => text)
      .join(''),
  ).toBe('c upon a time');
  expect(of(0).flatMap(({ logprobs }) => logprobs?.tokens ?? [])).toEqual(['a', ' b', ' upon', ' a', ' time', '']);
  expect(of(0).flatMap(({ logprobs }) => logprobs?.text_offset ?? [])).toEqual([0, 1, 3, 8, 10, 15]);
  expect(of(0).filter(({ finish_reason: reason }) => reason !== null)).toHaveLength(1);
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 8 } });
  expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);

  const counted = await chunksOf(
    await post(gateway, { prompt: 'a b', stream: true, stream_options: { continuous_usage_stats: true } }),
  );
  expect(counted.at(-1)?.usage).toEqual({ prompt_tokens: 2, completion_tokens: 4, total_tokens: 6 });
  const plain = await chunksOf(await post(gateway, { prompt: 'a b', stream: true }));
  expect(plain.some((chunk) => 'usage' in chunk)).toBe(false);
});

test('the official client completes, whole and streamed', async () => {
  const gateway = await start();
  const whole = await gateway.client.completions.create({ model: 'gyre', prompt: 'Once', logprobs: 1 });
  expect(whole.choices[0]?.logprobs?.tokens).toEqual([' upon', ' a', ' time', '']);
  let text = '';
  for await (const chunk of await gateway.client.completions.create({ model: 'gyre', prompt: 'Once', stream: true }))
    text += chunk.choices[0]?.text ?? '';
  expect(text).toBe(' upon a time');
});

test.each([
  [[], 'send a text, token ids, or a list of either (it is [])'],
  [[1.5], 'a token id is an integer from 0 to 2147483647 (it is 1.5)'],
  [[2 ** 31], 'a token id is an integer from 0 to 2147483647 (it is 2147483648)'],
  [Array.from({ length: 2_049 }, () => 'a'), 'has 2049 prompts, at most 1024 are taken'],
])('what is wrong with a prompt is said of the form it has: %#', async (prompt, says) => {
  const response = await post(await start(), { prompt });
  expect(((await response.json()) as { error: { message: string } }).error.message).toContain(says);
});

test.each([
  [{}, 'prompt', 'missing_required_parameter'],
  [{ prompt: 5 }, 'prompt', 'invalid_type'],
  [{ prompt: [] }, 'prompt', 'invalid_type'],
  [{ prompt: [[]] }, 'prompt.0', 'invalid_value'],
  [{ prompt: [-1] }, 'prompt.0', 'invalid_value'],
  [{ prompt: ['a', 5] }, 'prompt.1', 'invalid_type'],
  [{ prompt: [1.5] }, 'prompt.0', 'invalid_value'],
  [{ prompt: [1, 'a'] }, 'prompt.1', 'invalid_type'],
  [{ prompt: [[1], 'a'] }, 'prompt.1', 'invalid_type'],
  [{ prompt: [[1], [2, -3]] }, 'prompt.1.1', 'invalid_value'],
  [{ prompt: Array.from({ length: 2_049 }, () => 'a') }, 'prompt', 'invalid_value'],
  [{ prompt: 'a', max_tokens: 0 }, 'max_tokens', 'invalid_value'],
  [{ prompt: 'a', suffix: 'b' }, 'suffix', 'unsupported_parameter'],
  [{ prompt: 'a', best_of: 3 }, 'best_of', 'unsupported_parameter'],
  [{ prompt: 'a', use_beam_search: true }, 'use_beam_search', 'unsupported_parameter'],
  [{ prompt: 'a', prompt_logprobs: 1 }, 'prompt_logprobs', 'unsupported_parameter'],
  [{ prompt: 'a', tools: [{}] }, 'tools', 'unsupported_parameter'],
  [{ prompt: 'a', max_token: 1 }, 'max_token', 'unknown_parameter'],
  [{ prompt: 'a', logprobs: -1 }, 'logprobs', 'invalid_value'],
  [{ prompt: Array.from({ length: 9 }, () => 'a'), n: 128 }, 'n', 'invalid_value'],
])('what cannot be is refused by name: %j', async (body, param, code) => {
  const gateway = await start();
  const response = await post(gateway, body);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: { param, code } });
  expect(gateway.engine.requests).toHaveLength(0);
});

test('hints that change nothing are taken', async () => {
  const gateway = await start();
  for (const more of [
    { suffix: '', best_of: 1, user: 'me', echo: null },
    { use_beam_search: false, length_penalty: 1, early_stopping: false, request_id: 'r' },
    { stream_options: { include_usage: true } },
    { messages: [], tools: [], logits_processors: [], vllm_xargs: {}, kv_transfer_params: {} },
  ])
    expect([more, (await post(gateway, { prompt: 'a', ...more })).status]).toEqual([more, 200]);
});

test('a prompt that is too long is the fault of the prompt', async () => {
  const message = "This model's maximum context length is 2048 tokens.";
  const body = JSON.stringify({ error: { message, type: 'BadRequestError', param: null, code: 400 } });
  const gateway = await start({ script: () => ({ status: 400, body }) });
  for (const stream of [false, true]) {
    const response = await post(gateway, { prompt: 'a', stream });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: 'context_length_exceeded', param: 'prompt' } });
  }
});

test('what matches is redacted in a raw prompt, and ids are, where nobody can tell what they spell', async () => {
  const gateway = await start({ config: { redact: ['secret'] } });
  await complete(gateway, { prompt: 'my secret' });
  await complete(gateway, { prompt: [5, 6] });
  await complete(gateway, { prompt: 'open' });
  const steps = gateway.store.sqlite
    .prepare('SELECT not_trainable AS reason, prompt_suffix AS prompt FROM steps ORDER BY seq')
    .all();
  expect(steps).toEqual([
    { reason: 'redacted', prompt: null },
    { reason: 'redacted', prompt: null },
    { reason: 'raw_prompt', prompt: expect.any(Buffer) as Buffer },
  ]);
  const said = gateway.store.sqlite.prepare('SELECT body FROM messages').pluck().all().join('\n');
  expect(said).not.toContain('secret');
  expect(said).not.toContain('token_ids');
});

test("an upstream's name completes with the upstream, which is sent what the client asked for", async () => {
  const { gateway, upstream } = await both(() => ({ text: ' there' }));
  expect(await complete(gateway, { model: 'big', prompt: 'hi', echo: true, logprobs: 2 })).toMatchObject({
    choices: [{ text: 'hi there', logprobs: { tokens: ['hi', ' there', ''], token_logprobs: [null, -1.25, -0.25] } }],
  });
  expect(upstream.requests[0]).toMatchObject({ path: '/v1/completions', body: { echo: true, logprobs: 2 } });
  expect(upstream.requests[0]?.body).not.toHaveProperty('return_token_ids');
  expect(gateway.logged[0]?.steps[0]?.policyVersion).toBeUndefined();
});

test('a client that leaves stops the engine', async () => {
  const gateway = await start({ script: () => ({ text: Array.from({ length: 500 }, () => ' a'), delayMs: 5 }) });
  const leaving = new AbortController();
  const response = await fetch(`${gateway.url}/v1/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'gyre', prompt: 'a', stream: true }),
    headers: { 'content-type': 'application/json' },
    signal: leaving.signal,
  });
  await response.body?.getReader().read();
  leaving.abort();
  await expect.poll(() => gateway.engine.aborts).toBe(1);
  await expect.poll(() => gateway.logged[0]?.ending?.stopReason).toBe('client_abort');
  expect(gateway.logged[0]?.steps[0]?.action?.promptTokenIds).toHaveLength(1);
});
