/** The judge `rollout` with a policy that goes on as it is told to: what a first of several calls is worth. */
import { afterEach, expect, test, vi } from 'vitest';

import type { Judgement, Subject } from '../../../src/core/learning/judging.js';
import { type Message, textOf, type ToolCall } from '../../../src/core/message.js';
import { type Action, NO_USAGE, type Policy } from '../../../src/core/policy.js';
import type { Tool } from '../../../src/core/tool.js';
import { judgementOf } from '../../../src/judge/one_by_one.js';
import { referenceJudge } from '../../../src/judge/rules/reference.js';
import { rolloutJudge, type RolloutOptions } from '../../../src/learner/judges/rollout.js';
import { Random } from '../../../scripts/chaos/random.js';

afterEach(() => vi.useRealTimers());

const calculator: Tool = {
  spec: { name: 'calculator', description: '', parameters: { type: 'object' } },
  pure: true,
  run: (args) => {
    const [, a = '', op = '', b = ''] =
      /^(-?\d+)([*+-])(-?\d+)$/.exec((args as { expression: string }).expression) ?? [];
    if (op === '') throw new Error('no expression');
    return Promise.resolve(
      String(op === '*' ? Number(a) * Number(b) : op === '+' ? Number(a) + Number(b) : Number(a) - Number(b)),
    );
  },
};
const mail: Tool = { ...calculator, spec: { ...calculator.spec, name: 'send_mail' }, pure: false };

const calls = (expression: string, name = 'calculator'): ToolCall[] => [
  { id: `call-${Math.random()}`, name, arguments: JSON.stringify({ expression }) },
];
const says = (text: string, made: readonly ToolCall[] = []): Action => ({
  text,
  calls: made,
  finishReason: made.length > 0 ? 'tool_calls' : 'stop',
  cut: false,
  usage: { ...NO_USAGE, prompt_tokens: 50, completion_tokens: 5 },
  timings: { startedAt: 0, totalMs: 0 },
});

/** Asked what `(a*b)+c` is; `next` says how it goes on from what it was told. */
function playing(next: (messages: readonly Message[]) => Action): Policy & { asked: number } {
  const policy = {
    asked: 0,
    async *sample(request: { readonly messages: readonly Message[] }) {
      policy.asked += 1;
      const action = next(request.messages);
      yield { type: 'start' as const };
      if (action.text !== '') yield { type: 'text' as const, index: 0, text: action.text };
      for (const [position, call] of action.calls.entries()) {
        yield { type: 'call' as const, index: 0, position, id: call.id, name: call.name };
        yield { type: 'arguments' as const, index: 0, position, text: call.arguments };
      }
      return [action];
    },
  };
  return policy;
}

/** Adds `c` to what the first call gave, then states what the second gave. */
const finishing =
  (c: number, slips = (): boolean => false) =>
  (messages: readonly Message[]): Action => {
    const given = messages.filter(({ role }) => role === 'tool').map(({ content }) => textOf(content));
    const last = given.at(-1) ?? '';
    if (given.length < 2) return says('', calls(`${last}+${slips() ? c + 1 : c}`));
    return says(`The answer is ${last}.`);
  };

const state = (a: number, b: number, c: number, made: readonly ToolCall[], text = ''): Subject => ({
  kind: 'sample',
  id: `smp-${a}-${b}-${c}`,
  messages: [{ role: 'user', content: `What is ${a} times ${b}, plus ${c}?` }],
  tools: [calculator.spec],
  text,
  calls: made,
  index: 0,
  reference: String(a * b + c),
});

/** What it says of one subject, a fault included; and the same without, where it is thrown. */
function judgingAll(policy: Policy, more: Partial<RolloutOptions> = {}) {
  const toolbox = new Map([calculator, mail].map((tool) => [tool.spec.name, tool]));
  const judge = rolloutJudge({
    name: 'rollout',
    ends: 4,
    steps: 6,
    temperature: 0.7,
    policy,
    toolbox,
    limits: {
      steps: 8,
      toolCalls: 16,
      milliseconds: 10_000,
      toolErrors: 3,
      tool: { timeoutMs: 1_000, maxBytes: 1_000 },
    },
    head: () => Promise.resolve({ version: 3, model: 'gyre-3' }),
    reference: referenceJudge(toolbox),
    ...more,
  });
  const { signal } = new AbortController();
  return {
    ask: async (subject: Subject) => (await judge.judge([subject], signal))[0],
    judge: (subject: Subject): Promise<Judgement> => judgementOf(judge, subject, signal),
  };
}

const judging = (policy: Policy, more: Partial<RolloutOptions> = {}): ((subject: Subject) => Promise<Judgement>) =>
  judgingAll(policy, more).judge;

test('a right first of two calls is worth what comes of it, and a wrong one nothing', async () => {
  const judge = judging(playing(finishing(4)));
  expect(await judge(state(12, 3, 4, calls('12*3')))).toMatchObject({ kind: 'verdict', good: true, score: 1 });
  expect(await judge(state(12, 3, 4, calls('12+3')))).toMatchObject({ kind: 'verdict', good: false, score: 0 });
});

/**
 * The policy slips in 40 % of its ends. All four of an action slip together in 0.4^4 = 2.6 % of the states: four ends
 * are enough for 95 % as long as it slips in less than 47 %.
 */
const SLIPS = 0.4;

test('in 95 % of 200 states a right first call is worth more than a wrong one, by a policy that slips', async () => {
  const random = new Random(7);
  let above = 0;
  for (let at = 0; at < 200; at += 1) {
    const [a, b, c] = [2 + Math.floor(97 * random.next()), 2 + Math.floor(8 * random.next()), 3 + at];
    const judge = judging(playing(finishing(c, () => random.next() < SLIPS)));
    const [right, wrong] = await Promise.all([
      judge(state(a, b, c, calls(`${a}*${b}`))),
      judge(state(a, b, c, calls(`${a}-${b}`))),
    ]);
    const worth = (judgement: Judgement): number => (judgement.kind === 'verdict' ? judgement.score : Number.NaN);
    if (worth(right) > worth(wrong)) above += 1;
  }
  expect(above).toBeGreaterThanOrEqual(190);
});

test('an answer is scored by the reference alone, without an end of its own', async () => {
  const policy = playing(finishing(4));
  expect(await judging(policy)(state(12, 3, 4, [], 'The answer is 40.'))).toMatchObject({ good: true, score: 1 });
  expect(policy.asked).toBe(0);
});

test('it abstains without a reference, and of calls that may not be run to judge them', async () => {
  const judge = judging(playing(finishing(4)));
  const { reference: _, ...live } = state(12, 3, 4, calls('12*3'));
  expect(await judge(live)).toMatchObject({ kind: 'absent' });
  expect(await judge(state(12, 3, 4, calls('12*3', 'send_mail')))).toMatchObject({
    kind: 'absent',
    reason: expect.stringContaining('send_mail') as string,
  });
});

test('an end without an answer is worth nothing, and one at a function of the client is no end', async () => {
  const endless = judging(playing(() => says('', calls(`${Math.floor(1e6 * Math.random())}+1`))));
  expect(await endless(state(12, 3, 4, calls('12*3')))).toMatchObject({ good: false, score: 0 });
  const theirs = { ...state(12, 3, 4, calls('12*3')), tools: [calculator.spec, { ...mail.spec, name: 'their_own' }] };
  expect(await judging(playing(() => says('', calls('1', 'their_own'))))(theirs)).toMatchObject({ kind: 'absent' });
});

test('the same action in the same state is judged once for a version, and anew for the next', async () => {
  const policy = playing(finishing(4));
  let version = 3;
  const judge = judging(policy, { head: () => Promise.resolve({ version, model: `gyre-${version}` }) });
  await Promise.all(Array.from({ length: 8 }, () => judge(state(12, 3, 4, calls('12*3')))));
  const once = policy.asked;
  expect(once).toBe(8); // four ends of two steps
  version = 4;
  await judge(state(12, 3, 4, calls('12*3')));
  expect(policy.asked).toBe(2 * once);
});

test('beyond its budget of a day it has failed at what takes ends, and is asked again the next day', async () => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1, 18), toFake: ['Date'] });
  const { ask } = judgingAll(playing(finishing(4)), { budget: 1 });
  const [first, other, answer] = [calls('12*3'), calls('12+3'), [] as ToolCall[]];
  expect(await ask(state(12, 3, 4, first))).toMatchObject({ kind: 'verdict' });
  expect(await ask(state(12, 3, 4, other))).toEqual({
    kind: 'fault',
    reason: 'the judge "rollout" has used 1 of 1 actions of this day (UTC)',
    retryAfterMs: 6 * 60 * 60_000,
    alone: true,
  });
  expect(await ask(state(12, 3, 4, first))).toMatchObject({ kind: 'verdict' });
  expect(await ask(state(12, 3, 4, answer, 'It is 40.'))).toMatchObject({ kind: 'verdict' });
  vi.setSystemTime(Date.UTC(2026, 0, 2));
  expect(await ask(state(12, 3, 4, other))).toMatchObject({ kind: 'verdict', good: false });
});

test('what others have come to ends from that day counts, by the rows', async () => {
  const since: number[] = [];
  const spentSince = (at: number): Promise<number> => {
    since.push(at);
    return Promise.resolve(2);
  };
  const { ask } = judgingAll(playing(finishing(4)), { budget: 2, spentSince });
  expect(await ask(state(12, 3, 4, calls('12*3')))).toMatchObject({ kind: 'fault' });
  expect(since[0]).toBe(Math.floor(Date.now() / 86_400_000) * 86_400_000);
});

test('what its ends took is told once, with the verdict or with the fault', async () => {
  const { ask } = judgingAll(playing(finishing(4)));
  const [said, again] = [
    await ask(state(12, 3, 4, calls('12*3'))),
    await ask({ ...state(12, 3, 4, calls('12*3')), id: 'again' }),
  ];
  // Four ends of two steps.
  expect(said).toMatchObject({ kind: 'verdict', cost: { promptTokens: 400, completionTokens: 40 } });
  expect(again).not.toHaveProperty('cost');
  let left = 6;
  const leaving = judgingAll(
    playing((messages) => {
      if ((left -= 1) < 0) throw new Error('the engine is away');
      return finishing(4)(messages);
    }),
  );
  expect(await leaving.ask(state(12, 3, 4, calls('12*3')))).toMatchObject({
    kind: 'fault',
    cost: { promptTokens: 300, completionTokens: 30 },
  });
});

test('where the engine fails nothing is known, and it is tried again', async () => {
  let broken = true;
  const judge = judging(
    playing((messages) => {
      if (broken) throw new Error('the engine is away');
      return finishing(4)(messages);
    }),
  );
  await expect(judge(state(12, 3, 4, calls('12*3')))).rejects.toThrow();
  broken = false;
  expect(await judge(state(12, 3, 4, calls('12*3')))).toMatchObject({ good: true });
});
