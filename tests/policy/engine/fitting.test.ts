/** A bound of tokens that is more than fits is brought down. The refusals are in the words of their servers. */
import { afterEach, describe, expect, it } from 'vitest';

import { GyreError } from '../../../src/core/errors.js';
import type { Action, PolicyRequest } from '../../../src/core/policy.js';
import { openPolicy, type EnginePolicy } from '../../../src/policy/engine/sample.js';
import { startEngine, type ChatBody, type Engine, type Reply } from '../../fakes/engine.js';

let engine: Engine;
let policy: EnginePolicy;
afterEach(async () => {
  await policy.close();
  await engine.close();
});

const LENGTH = 2048;

/** What vLLM 0.28 does with its bounds (renderers/params.py, sampling_params.py), for a prompt of so many tokens. */
const vllm =
  (prompt: number, reply: Reply = { text: 'hello' }) =>
  ({ body }: { readonly body: ChatBody }): Reply => {
    const field = body['max_completion_tokens'] === undefined ? 'max_tokens' : 'max_completion_tokens';
    const asked = (body[field] as number | undefined) ?? 0;
    const least = (body['min_tokens'] as number | undefined) ?? 0;
    if (asked > LENGTH)
      return refused(
        `${field}=${asked} cannot be greater than max_model_len=max_total_tokens=${LENGTH}. Please request fewer ` +
          `output tokens. (parameter=${field}, value=${asked})`,
        field,
      );
    if (prompt + asked > LENGTH)
      return refused(
        `This model's maximum context length is ${LENGTH} tokens. However, you requested ${asked} output tokens and ` +
          `your prompt contains at least ${LENGTH - asked + 1} input tokens, for a total of at least ${LENGTH + 1} ` +
          'tokens. Please reduce the length of the input prompt or the number of requested output tokens. ' +
          `(parameter=input_tokens, value=${LENGTH - asked + 1})`,
        'input_tokens',
      );
    const bound = asked === 0 ? LENGTH - prompt : asked;
    if (bound < 1)
      return refused(`max_tokens must be at least 1, got ${bound}. (parameter=max_tokens, value=${bound})`);
    if (least > bound)
      return refused(`min_tokens must be less than or equal to max_tokens=${bound}, got ${least}.`, undefined);
    return { ...reply, promptTokenIds: Array.from({ length: prompt }, (_, at) => at) };
  };

function refused(message: string, param: string | undefined = 'max_tokens'): Reply {
  return { status: 400, body: JSON.stringify({ error: { message, type: 'BadRequestError', param, code: 400 } }) };
}

async function start(script: Engine['script']): Promise<void> {
  engine = await startEngine({ script });
  policy = openPolicy({ url: engine.url, timeoutMs: 5_000 });
}

async function sample(sampling: PolicyRequest['sampling'], raw?: PolicyRequest['raw']): Promise<Action> {
  const request: PolicyRequest = {
    model: 'base',
    messages: [{ role: 'user', content: 'hi' }],
    tools: [{ name: 't' }],
    toolChoice: 'auto',
    sampling,
    raw,
  };
  const sampling_ = policy.sample(request, new AbortController().signal);
  for (;;) {
    const next = await sampling_.next();
    if (next.done === true) return next.value[0] as Action;
  }
}

const bounds = (): unknown[] => engine.requests.map(({ body }) => body.max_tokens);

describe('a bound of vLLM', () => {
  it('that is more than the model holds is left to vLLM, and the next time at once', async () => {
    await start(vllm(49));
    expect((await sample({ max_tokens: 32_000 })).text).toBe('hello');
    await sample({ max_tokens: 8_000 });
    await sample({ max_tokens: 2_048 });
    expect(bounds()).toEqual([32_000, undefined, undefined, undefined]);
  });

  it('that is more than fits beside this prompt is left to vLLM for this prompt', async () => {
    await start(vllm(49));
    await sample({ max_tokens: 2_000 });
    await sample({ max_tokens: 1_999 });
    expect(bounds()).toEqual([2_000, undefined, 1_999]);
  });

  it.each([
    ['a text, counted by the engine', 1_801, 'apple', 512, [512, 247]],
    ['token ids', 1_801, Array.from({ length: 1_801 }, () => 5), 32_000, [32_000, 247]],
    ['a text whose engine cannot count, which then has its own bound', undefined, 'apple', 512, [512, undefined]],
  ])('beside a raw prompt is told, or 16 tokens would be all: %s', async (_what, count, prompt, max_tokens, sent) => {
    await start(vllm(1_801));
    engine.tokenizer = count === undefined ? 'missing' : { status: 200, body: JSON.stringify({ count }) };
    await sample({ max_tokens }, { list: [prompt], echo: 'none' });
    expect(bounds()).toEqual(sent);
  });

  it('is nothing to a raw prompt that does not fit', async () => {
    await start(vllm(3_000));
    engine.tokenizer = { status: 200, body: '{"count": 3000}' };
    const fault = await sample({ max_tokens: 5_000 }, { list: ['apple'], echo: 'none' }).catch(
      (thrown: unknown) => thrown,
    );
    expect(fault).toMatchObject({ status: 400, code: 'context_length_exceeded' });
  });

  it('is nothing to a prompt that does not fit: that alone is a context that is too long', async () => {
    for (const [prompt, max_tokens] of [
      [2_049, 100],
      [2_049, 5_000],
      [2_049, undefined],
      [2_048, 1],
      [2_048, undefined],
      [3_000, 2_048],
    ] as const) {
      await start(vllm(prompt));
      const fault = await sample({ max_tokens }).catch((thrown: unknown) => thrown);
      expect(fault).toBeInstanceOf(GyreError);
      expect(fault).toMatchObject({ status: 400, code: 'context_length_exceeded', param: 'messages' });
      await policy.close();
      await engine.close();
    }
    await start(vllm(1));
  });

  it('below is brought down too', async () => {
    await start(vllm(2_000));
    await sample({ max_tokens: 3_000, min_tokens: 1_000 });
    expect(engine.requests.map(({ body }) => [body.max_tokens, body['min_tokens']])).toEqual([
      [3_000, 1_000],
      [undefined, 1_000],
      [undefined, 48],
    ]);
  });

  it('that the client set below its own least stays refused', async () => {
    await start(vllm(10));
    await expect(sample({ max_tokens: 5, min_tokens: 0 })).resolves.toBeDefined();
  });

  it('that was brought down still cuts a call at the end of the context', async () => {
    const calls = [{ name: 't', arguments: '{"a' }];
    await start(vllm(2_045, { calls, finish: 'tool_calls' }));
    const cut = await sample({ max_tokens: 4_000 });
    expect(cut.tokenIds?.length).toBeGreaterThanOrEqual(3);
    expect(cut).toMatchObject({ cut: true, finishReason: 'length' });
    engine.script = vllm(100, { calls, finish: 'tool_calls' });
    expect(await sample({ max_tokens: 4_000 })).toMatchObject({ cut: false, finishReason: 'tool_calls' });
  });
});

describe('a bound of another server', () => {
  const words = (length: number, prompt: number): string =>
    `This model's maximum context length is ${length} tokens. However, you requested ${prompt + 8_000} tokens ` +
    `(${prompt} in the messages, 8000 in the completion). Please reduce the length of the messages or completion.`;

  it.each<[string, string, unknown]>([
    ['OpenAI, with the prompt', words(8_192, 1_000), 7_192],
    [
      'OpenAI, with functions',
      "This model's maximum context length is 8192 tokens. However, you requested 9100 tokens (1000 in the messages, " +
        '100 in the functions, and 8000 in the completion). Please reduce the length of the messages, functions, or ' +
        'completion.',
      7_092,
    ],
    [
      'OpenAI, alone',
      'max_tokens is too large: 8000. This model supports at most 4096 completion tokens, whereas you provided 8000.',
      4_096,
    ],
    ['DeepSeek', 'Invalid max_tokens value, the valid range of max_tokens is [1, 4096]', 4_096],
    [
      'Groq',
      '`max_tokens` must be less than or equal to `4096`, the maximum value for `max_tokens` is less than the ' +
        '`context_window` for this model',
      4_096,
    ],
    [
      'Anthropic',
      'max_tokens: 8000 > 4096, which is the maximum allowed number of output tokens for claude-3-haiku',
      4_096,
    ],
    [
      'vLLM before 0.12',
      "'max_tokens' or 'max_completion_tokens' is too large: 8000. This model's maximum context length is 2048 " +
        'tokens and your request has 49 input tokens (8000 > 2048 - 49).',
      1_999,
    ],
    [
      'SGLang',
      "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of " +
        '9000 tokens: 1000 tokens from the input messages and 8000 tokens for the completion. Please reduce the number ' +
        'of tokens in the input messages or the completion to fit within the limit.',
      3_096,
    ],
    [
      'Text Generation Inference',
      'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 1000 `inputs` tokens and ' +
        '8000 `max_new_tokens`',
      3_096,
    ],
  ])('%s: is brought down to what it says', async (_name, message, fits) => {
    await start(({ body }) => ((body.max_tokens ?? 0) > Number(fits) ? refused(message) : {}));
    await sample({ max_tokens: 8_000 });
    expect(bounds()).toEqual([8_000, fits]);
  });

  it.each([
    ['whose prompt does not fit', words(4_096, 5_000)],
    ['that says nothing of numbers', 'max_tokens is invalid'],
    ['that speaks of something else', 'temperature must be at most 2'],
  ])('%s: its refusal is passed on', async (_name, message) => {
    await start(() => refused(message));
    await expect(sample({ max_tokens: 8_000 })).rejects.toMatchObject({ status: 400, message });
    expect(bounds()).toEqual([8_000]);
  });

  it('is asked three times at most', async () => {
    await start(({ body }) => refused(`supports at most ${Number(body.max_tokens) - 1} completion tokens`));
    await expect(sample({ max_tokens: 8_000 })).rejects.toMatchObject({ status: 400 });
    expect(bounds()).toEqual([8_000, 7_999, 7_998]);
  });
});
