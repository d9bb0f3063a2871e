/** A model judge against an endpoint that answers well, badly, late, too much, or not at all. */
import { afterEach, describe, expect, test } from 'vitest';

import type { Judgement, Subject } from '../../../src/core/learning/judging.js';
import { modelJudge, type ModelJudgeOptions } from '../../../src/judge/model/judge.js';
import { judgementOf } from '../../../src/judge/one_by_one.js';
import { completion, judgeEndpoint, type JudgeEndpoint, type Script } from './endpoint.js';

const open: JudgeEndpoint[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

const STEP: Subject = {
  kind: 'step',
  id: 'step-1',
  messages: [
    { role: 'system', content: 'You have a calculator.' },
    { role: 'user', content: 'What is 12 times 3, plus 4?' },
  ],
  tools: [{ name: 'calculator', description: 'Evaluates.', parameters: { type: 'object' } }],
  text: '',
  calls: [{ id: 'call-1', name: 'calculator', arguments: '{"expression":"12*3"}' }],
  index: 0,
  reference: 'THE SECRET 40',
};

async function asked(
  script: Script,
  options: Partial<ModelJudgeOptions> = {},
  subject: Subject = STEP,
): Promise<{ readonly said: Judgement; readonly endpoint: JudgeEndpoint }> {
  const endpoint = await judgeEndpoint(script);
  open.push(endpoint);
  const judge = modelJudge({
    name: 'critic',
    url: endpoint.url,
    model: 'judge-7b',
    prompt: 'process',
    retries: 0,
    ...options,
  });
  return { said: await judgementOf(judge, subject, AbortSignal.timeout(20_000)), endpoint };
}

const goodWith = (logprobs: readonly (readonly [string, number])[]): ReturnType<typeof completion> =>
  completion(
    'Fine.\nGOOD',
    {},
    {
      content: [
        { token: 'Fine.', logprob: 0, top_logprobs: [] },
        { token: '\n', logprob: 0, top_logprobs: [] },
        { token: 'GOOD', logprob: -0.1, top_logprobs: logprobs.map(([token, logprob]) => ({ token, logprob })) },
      ],
    },
  );

describe('what it is asked', () => {
  test('is everything before the step, its tools, the step, what came after it, but never the reference', async () => {
    const { endpoint } = await asked(
      () => 'It helps.\nGOOD',
      {},
      {
        ...STEP,
        after: [{ role: 'tool', tool_call_id: 'call-1', content: '36 is what it gave' }],
        feedback: 'rated bad\ncomment: not what I asked',
      },
    );
    const [system, user] = endpoint.asked[0]?.body.messages ?? [];
    expect(system?.role).toBe('system');
    for (const part of [
      'What is 12 times 3, plus 4?',
      'You have a calculator.',
      '"expression":"12*3"',
      '36 is what',
      'Evaluates.',
      'who may be wrong:',
      'rated bad\ncomment: not what I asked',
    ])
      expect(user?.content).toContain(part);
    expect(JSON.stringify(endpoint.asked)).not.toContain('SECRET');
  });

  test.each(['process', 'reward', 'outcome'])(
    'by the prompt %s has a place for what nobody has said',
    async (prompt) => {
      const { endpoint } = await asked(() => 'GOOD\nSCORE: 9', { prompt }, STEP);
      expect(endpoint.asked[0]?.body.messages[1]?.content).toMatch(
        /who may be wrong:\n(\[\[[0-9a-f]{16}\]\])\nnothing\n\1/,
      );
    },
  );

  test('stands between marks that are different for each subject and that nobody who is judged can know', async () => {
    const marks = new Set<string>();
    for (const id of ['step-1', 'step-2']) {
      const { endpoint } = await asked(() => 'GOOD', {}, { ...STEP, id });
      marks.add(/\[\[[0-9a-f]{16}\]\]/.exec(endpoint.asked[0]?.body.messages[1]?.content ?? '')?.[0] ?? '');
    }
    expect(marks.size).toBe(2);
    expect(marks.has('')).toBe(false);
  });

  test('has what somebody wrote as it was written, also where it looks like a place to fill', async () => {
    const { endpoint } = await asked(
      () => 'GOOD',
      {},
      {
        ...STEP,
        messages: [{ role: 'user', content: 'say {{action}} and {{mark}} and $& and $1' }],
      },
    );
    expect(endpoint.asked[0]?.body.messages[1]?.content).toContain('say {{action}} and {{mark}} and $& and $1');
  });

  test('is of bounded length, with the task and the newest messages in it', async () => {
    const { endpoint } = await asked(
      () => 'GOOD',
      {},
      {
        ...STEP,
        messages: [
          { role: 'user', content: 'the task' },
          ...Array.from({ length: 400 }, (_, at) => ({ role: 'user' as const, content: `${at} ${'x'.repeat(1_000)}` })),
          { role: 'user', content: 'the newest' },
        ],
      },
    );
    const text = endpoint.asked[0]?.body.messages[1]?.content ?? '';
    expect(text.length).toBeLessThan(60_000);
    expect(text).toContain('the task');
    expect(text).toContain('the newest');
    expect(text).toMatch(/\d+ messages are left out/);
  });

  test('is sent with its key, and with the sampling of one opinion', async () => {
    const { endpoint } = await asked(() => 'GOOD', { apiKey: 'sk-judge' });
    expect(endpoint.asked[0]?.headers.authorization).toBe('Bearer sk-judge');
    expect(endpoint.asked[0]?.body).toMatchObject({ model: 'judge-7b', temperature: 0, logprobs: true });
  });
});

test.each([
  ['', '/v1/chat/completions'],
  ['/v1/', '/v1/chat/completions'],
  ['/v1beta/openai', '/v1beta/openai/chat/completions'],
])('an address that ends with %j is asked at %s', async (path, at) => {
  const endpoint = await judgeEndpoint(() => 'GOOD');
  open.push(endpoint);
  const judge = modelJudge({ name: 'critic', url: endpoint.url + path, model: 'm', prompt: 'process', retries: 0 });
  await judgementOf(judge, STEP, AbortSignal.timeout(5_000));
  expect(endpoint.asked.map(({ path: asked }) => asked)).toEqual([at]);
});

describe('what it says', () => {
  test('is the word of its last line, with the explanation as its rationale and what it cost', async () => {
    const { said } = await asked(() => 'A GOOD try, but the product is wrong.\n\nBAD');
    expect(said).toMatchObject({
      kind: 'verdict',
      good: false,
      score: 0,
      rationale: 'A GOOD try, but the product is wrong.',
      cost: { promptTokens: 100, completionTokens: 20 },
    });
  });

  test('has the likelihood of GOOD as its score where the endpoint says how likely its tokens were', async () => {
    const { said } = await asked(() =>
      goodWith([
        ['GOOD', Math.log(0.6)],
        ['BAD', Math.log(0.2)],
        ['maybe', -5],
      ]),
    );
    expect(said).toMatchObject({ kind: 'verdict', good: true });
    expect(said.kind === 'verdict' && said.score).toBeCloseTo(0.75);
    expect(said.kind === 'verdict' && said.confidence).toBeCloseTo(0.75);
  });

  test('is its grade by the prompt for rewards, and nothing where grade and word contradict each other', async () => {
    const { said } = await asked(() => 'Useful.\n**GOOD**\nSCORE: 8', { prompt: 'reward' });
    expect(said).toMatchObject({ kind: 'verdict', good: true, score: 0.8 });
    const { said: split } = await asked(() => 'Useful.\nBAD\nSCORE: 8', { prompt: 'reward' });
    expect(split).toMatchObject({ kind: 'absent' });
    const { said: none } = await asked(() => 'Useful.\nGOOD', { prompt: 'reward' });
    expect(none).toMatchObject({ kind: 'absent' });
  });

  test.each([
    'I think that this step is quite good, all in all.',
    'GOOD\nBut then again the product might be wrong.',
    'GOOD or BAD',
    '',
    'GOODNESS',
  ])('is an abstention where it says %j', async (text) => {
    const { said } = await asked(() => text);
    expect(said.kind).toBe('absent');
  });

  test('is an abstention where its answer was cut off or has no text', async () => {
    const { said: cut } = await asked(() => completion('It is\nGOOD', { finish_reason: 'length' }));
    expect(cut).toMatchObject({ kind: 'absent', reason: expect.stringContaining('cut off') as string });
    const { said: none } = await asked(() => completion(null));
    expect(none.kind).toBe('absent');
  });

  test('is what most of several opinions say, and nothing where they are split or mostly unclear', async () => {
    const of = async (answers: readonly string[]): Promise<Judgement> =>
      (await asked((_, times) => answers[times - 1] ?? '', { samples: answers.length })).said;
    expect(await of(['GOOD', 'GOOD', 'BAD'])).toMatchObject({ good: true, score: 2 / 3, confidence: 2 / 3 });
    expect(await of(['GOOD', 'BAD'])).toMatchObject({ kind: 'absent' });
    expect(await of(['GOOD', 'well', 'hm'])).toMatchObject({ kind: 'absent' });
  });
});

describe('where it cannot be asked it has said nothing, and it is told why', () => {
  const fails = async (script: Script, options: Partial<ModelJudgeOptions> = {}): Promise<unknown> =>
    asked(script, options).then(
      ({ said }) => said,
      (thrown: unknown) => thrown,
    );
  const ofJudge = (words: string): unknown =>
    expect.objectContaining({ side: 'judge', message: expect.stringContaining(words) as string }) as unknown;
  const status =
    (code: number, text = '{"error":{"message":"no"}}'): Script =>
    () =>
    (response) => {
      response.writeHead(code, { 'content-type': 'application/json' }).end(text);
    };

  test('an endpoint that is down, refuses, or has a fault', async () => {
    expect(await fails(status(503))).toEqual(ofJudge('503'));
    expect(await fails(status(401))).toEqual(ofJudge('401'));
    expect(await fails(() => (response) => response.destroy())).toEqual(ofJudge('judge-7b'));
  });

  test('one that hangs before its answer or within it', async () => {
    expect(await fails(() => () => undefined, { timeoutMs: 200 })).toEqual(ofJudge('judge-7b'));
    const within: Script = () => (response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).write('{"choices":');
    };
    expect(await fails(within, { timeoutMs: 200 })).toEqual(ofJudge('judge-7b'));
  });

  test('one that never ends its answer', async () => {
    const flood: Script = () => (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    };
    expect(await fails(flood)).toEqual(ofJudge('more than 2097152 bytes'));
  });

  test.each([
    { body: {} },
    { body: { choices: [] } },
    { body: { choices: [{ message: { content: 7 } }] } },
    { body: [] },
  ])('one that answers $body', async ({ body }) => {
    expect(await fails(() => body)).toEqual(ofJudge('no chat completion'));
  });

  test('one that answers a page of HTML, or anything that is no JSON', async () => {
    const page: Script = () => (response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>GOOD</html>');
    };
    expect(await fails(page)).toEqual(ofJudge('judge-7b'));
    expect(await fails(status(200, '{"choices"'))).toEqual(ofJudge('judge-7b'));
  });

  test('what lies about its usage and its likelihoods is believed in nothing else than its word', async () => {
    const { said } = await asked(() => ({
      choices: [{ message: { content: 'GOOD' }, finish_reason: 'stop', logprobs: { content: 'all of it' } }],
      usage: { prompt_tokens: -5, completion_tokens: 'many' },
    }));
    expect(said).toMatchObject({ kind: 'verdict', good: true, cost: { promptTokens: 0, completionTokens: 0 } });
  });

  test('one that fails and then answers is asked again, after a while', async () => {
    const { said, endpoint } = await asked(
      (_, times) =>
        times === 1 ? (response) => response.writeHead(503, { 'retry-after-ms': '10' }).end('{}') : 'GOOD',
      { retries: 2 },
    );
    expect(said).toMatchObject({ kind: 'verdict', good: true });
    expect(endpoint.asked).toHaveLength(2);
  });

  test('one that does not know how likely its tokens are is asked without, and never with it again', async () => {
    const endpoint = await judgeEndpoint(({ body }) =>
      body.logprobs === true ? (response) => response.writeHead(400).end('{}') : 'GOOD',
    );
    open.push(endpoint);
    const judge = modelJudge({ name: 'critic', url: endpoint.url, model: 'm', prompt: 'process', retries: 0 });
    for (const id of ['a', 'b']) await judgementOf(judge, { ...STEP, id }, AbortSignal.timeout(5_000));
    expect(endpoint.asked.map(({ body }) => body.logprobs)).toEqual([true, undefined, undefined]);
  });

  test('its budget of a day is what the rows and this process have spent, and ends what it may ask', async () => {
    const endpoint = await judgeEndpoint(() => 'GOOD');
    open.push(endpoint);
    const judge = modelJudge({
      name: 'critic',
      url: endpoint.url,
      model: 'm',
      prompt: 'process',
      tokensADay: 1_000,
      spentSince: () => Promise.resolve(850),
    });
    const ask = (): Promise<unknown> =>
      judgementOf(judge, STEP, AbortSignal.timeout(5_000)).catch((thrown: unknown) => thrown);
    await ask();
    await ask();
    expect(await ask()).toMatchObject({
      side: 'judge',
      message: expect.stringMatching(/has used \d+ of 1000 tokens of this day/) as string,
    });
    expect(endpoint.asked).toHaveLength(2);
  });

  test('what another process has spent of the day meanwhile is seen, without waiting for the next day', async () => {
    const endpoint = await judgeEndpoint(() => 'GOOD');
    open.push(endpoint);
    let others = 0;
    const judge = modelJudge({
      ...{ name: 'critic', url: endpoint.url, model: 'm', prompt: 'process' },
      ...{ tokensADay: 1_000_000, spentSince: () => Promise.resolve(others) },
    });
    const ask = (): Promise<unknown> =>
      judgementOf(judge, STEP, AbortSignal.timeout(5_000)).catch((thrown: unknown) => thrown);
    await ask();
    others = 2_000_000;
    for (let at = 0; at < 60; at += 1) await ask();
    expect(await ask()).toMatchObject({ message: expect.stringContaining('tokens of this day') as string });
    expect(endpoint.asked).toHaveLength(50);
  });

  test('who gives up while it waits for its turn of a minute is let go', async () => {
    const endpoint = await judgeEndpoint(() => 'GOOD');
    open.push(endpoint);
    const judge = modelJudge({ name: 'critic', url: endpoint.url, model: 'm', prompt: 'process', requestsAMinute: 1 });
    await judgementOf(judge, STEP, AbortSignal.timeout(5_000));
    await expect(judgementOf(judge, STEP, AbortSignal.timeout(100))).rejects.toThrow();
    expect(endpoint.asked).toHaveLength(1);
  });
});

test('another prompt, model, or sampling is another version, and another address is not', () => {
  const options = { name: 'critic', url: 'http://one', model: 'm', prompt: 'process' };
  const version = (more: Partial<ModelJudgeOptions> = {}): string => modelJudge({ ...options, ...more }).version;
  const all = [{}, { model: 'n' }, { prompt: 'reward' }, { samples: 3 }, { temperature: 1 }, { maxTokens: 99 }];
  expect(new Set(all.map(version)).size).toBe(all.length);
  expect(version({ url: 'http://two', apiKey: 'sk' })).toBe(version());
});
