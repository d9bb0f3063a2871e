/** A model judge within its limits, by a clock that the test moves and an endpoint that is a function. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { JudgeFault, Subject, Verdict } from '../../../src/core/learning/judging.js';
import { askAll } from '../../../src/judge/ask.js';
import { Asking } from '../../../src/judge/model/asking.js';
import { modelComparer } from '../../../src/judge/model/compare.js';
import { modelJudge, type ModelJudgeOptions } from '../../../src/judge/model/judge.js';
import { patiently } from './clock.js';
import { completion } from './endpoint.js';

type Reply = Response | 'hangs';

let sent: { readonly at: number; readonly body: string }[];
let reply: (body: string, times: number) => Reply;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] });
  sent = [];
  reply = () => says('GOOD');
});
afterEach(() => vi.useRealTimers());

const fetch: ModelJudgeOptions['fetch'] = (_, init) => {
  const body = init?.body as string;
  sent.push({ at: Date.now(), body });
  const said = reply(body, sent.length);
  if (said !== 'hangs') return Promise.resolve(said);
  return new Promise((__, reject) => {
    init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error));
  });
};

const json = (body: unknown, status = 200, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } });
const says = (text: string): Response => json(completion(text));
const refuses = (status: number, headers?: Record<string, string>): Response => json({}, status, headers);

const NEVER = new AbortController().signal;
const OPTIONS = {
  name: 'critic',
  url: 'http://judge',
  model: 'judge-7b',
  prompt: 'process',
  retries: 0,
  fetch,
} as const;
const group = (...ids: readonly string[]): Subject[] =>
  ids.map((id) => ({
    ...{ kind: 'sample', id, messages: [{ role: 'user', content: 'q' }], tools: [], text: `says ${id}` },
    ...{ calls: [], index: 0 },
  }));
const eight = group('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');

function asked(
  subjects: readonly Subject[],
  options: Partial<ModelJudgeOptions> = {},
): Promise<{ readonly verdicts: readonly Verdict[]; readonly faults: readonly Omit<JudgeFault, 'stepId'>[] }> {
  return patiently(askAll([modelJudge({ ...OPTIONS, ...options })], subjects, NEVER));
}

test.each([
  ['ten requests a minute', { requestsAMinute: 10 }],
  ['25,000 tokens a minute', { tokensAMinute: 25_000, maxTokens: 2_000 }],
])('three opinions of eight actions at %s are waited for, and none of them is a fault', async (_, limits) => {
  // It takes what was expected of it, so that a minute has room for ten at most.
  reply = () => json({ ...(completion('GOOD') as object), usage: { prompt_tokens: 300, completion_tokens: 2_000 } });
  const { verdicts, faults } = await asked(eight, { samples: 3, ...limits });
  expect(faults).toEqual([]);
  expect(verdicts).toHaveLength(8);
  expect(sent).toHaveLength(24);
  expect((sent.at(-1)?.at ?? 0) - (sent[0]?.at ?? 0)).toBeGreaterThanOrEqual(120_000);
});

test('what was said of a group is kept where one of it fails, or is not answered at all', async () => {
  reply = (body) => (body.includes('says b') ? 'hangs' : body.includes('says c') ? refuses(500) : says('GOOD'));
  const { verdicts, faults } = await asked(group('a', 'b', 'c', 'd'));
  expect(verdicts.map(({ subjectId }) => subjectId)).toEqual(['a', 'd']);
  expect(faults).toMatchObject([
    { subjectId: 'b', reason: 'no verdict within 90 s', cost: { completionTokens: 0 } },
    { subjectId: 'c', reason: expect.stringContaining('500') as string },
  ]);
  // What was left unanswered was sent all the same.
  expect(faults[0]?.cost?.promptTokens).toBeGreaterThan(0);
  expect(faults[1]).not.toHaveProperty('cost');
});

test('so it is of a group whose halves are put in order by two calls', async () => {
  const ids = Array.from({ length: 20 }, (_, at) => `n${at}`);
  const order = (count: number): string => Array.from({ length: count }, (_, at) => at + 1).join(' > ');
  reply = (body) => (body.includes('Step 16:') ? says(`ORDER: ${order(16)}\nGOOD: 1`) : refuses(500));
  const { verdicts, faults } = await asked(group(...ids), { prompt: 'ranking' });
  expect([verdicts.length, faults.length]).toEqual([16, 4]);
});

test('an opinion that fails is a fault, and what the others took is on its bill', async () => {
  reply = (_, times) => (times === 2 ? refuses(503) : says('GOOD'));
  const { verdicts, faults } = await asked(group('a'), { samples: 3, price: { input: 2, output: 10 } });
  expect(verdicts).toEqual([]);
  expect(faults).toMatchObject([{ cost: { promptTokens: 200, completionTokens: 40, money: 0.0008 } }]);
});

test('its price makes money of its tokens, and without one nobody knows', async () => {
  const { verdicts } = await asked(group('a'), { price: { input: 3, output: 15 } });
  expect(verdicts[0]?.cost).toMatchObject({ promptTokens: 100, completionTokens: 20, money: 0.0006 });
  expect((await asked(group('a'))).verdicts[0]?.cost).not.toHaveProperty('money');
});

test('what is sent again counts as often as it is sent, and waits for its turn', async () => {
  reply = (_, times) => (times === 1 ? refuses(503) : says('GOOD'));
  expect((await asked(group('a'), { retries: 2, requestsAMinute: 1 })).verdicts).toHaveLength(1);
  reply = (body) => (body.includes('logprobs') ? refuses(400) : says('GOOD'));
  expect((await asked(group('a'), { requestsAMinute: 1 })).verdicts).toHaveLength(1);
  expect(sent.map(({ body }) => body.includes('logprobs'))).toEqual([true, true, true, false]);
  const gap = (one: number, next: number): number => (sent[next]?.at ?? 0) - (sent[one]?.at ?? 0);
  expect(Math.min(gap(0, 1), gap(2, 3))).toBeGreaterThanOrEqual(60_000);
});

test('who is told to come back later than in a minute has failed at once', async () => {
  reply = () => refuses(429, { 'retry-after': '3600' });
  const { faults } = await asked(group('a'), { retries: 2 });
  expect(faults).toMatchObject([{ reason: expect.stringContaining('429') as string }]);
  expect(sent).toHaveLength(1);
});

test('a day that is spent meanwhile ends what is sent again, and says when the next begins', async () => {
  let spent = 0;
  reply = () => {
    spent = 1_000;
    // Of another day than the first was sent on: the rows are looked at again.
    vi.setSystemTime(Date.now() + 24 * 60 * 60_000);
    return refuses(503);
  };
  const spentSince = (): Promise<number> => Promise.resolve(spent);
  const { faults } = await asked(group('a'), { retries: 2, tokensADay: 1_000, spentSince });
  expect(faults).toMatchObject([{ reason: expect.stringContaining('1000 of 1000 tokens of this day') as string }]);
  expect(faults[0]?.retryAfterMs).toBeGreaterThan(0);
  expect(sent).toHaveLength(1);
});

test('one that never answers is borne with for as long as its tries may take, and not longer', async () => {
  reply = () => 'hangs';
  const { faults } = await asked(group('a'), { timeoutMs: 50_000, retries: 2 });
  expect(faults).toMatchObject([{ reason: 'no verdict within 330 s' }]);
});

test('who compares two answers shares the limits of the judge', async () => {
  const options = { ...OPTIONS, requestsAMinute: 1 };
  const asking = new Asking(options);
  const comparer = modelComparer(options, '7', asking);
  reply = (body) => says(body.includes('Answer A') ? 'A' : 'GOOD');
  await patiently(askAll([modelJudge(options, asking)], group('a'), NEVER));
  const compared = { id: 's', messages: [], tools: [], first: 'one', second: 'other' };
  expect(await patiently(comparer.compare(compared, NEVER))).toMatchObject({ preference: 'first' });
  expect((sent[1]?.at ?? 0) - (sent[0]?.at ?? 0)).toBeGreaterThanOrEqual(60_000);
});
