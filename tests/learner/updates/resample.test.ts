/** Drawing actions at a logged state: a function of the state, and of what the engine says. */
import { expect, test } from 'vitest';

import { GyreError } from '../../../src/core/errors.js';
import type { LoggedState } from '../../../src/core/learning/state.js';
import { type Action, NO_USAGE, type Policy, type PolicyRequest } from '../../../src/core/policy.js';
import { redactorOf } from '../../../src/core/text/redact.js';
import { type Draw, draw } from '../../../src/learner/resample.js';

const PROMPT = [1, 2, 3, 4];
const STATE: LoggedState = {
  stepId: 'step-1',
  trajectoryId: 'traj-1',
  keyId: '',
  index: 0,
  origin: 'live',
  policyVersion: 3,
  consent: true,
  messages: [{ role: 'user', content: 'What is 1 plus 2?' }],
  tools: [{ name: 'calculator', parameters: { type: 'object' } }],
  toolChoice: 'auto',
  callsAllowed: true,
  sampling: {},
  temperature: 1,
  text: '3',
  calls: [],
  promptTokenIds: PROMPT,
  tokenIds: [7],
  logprobs: [-0.1],
};
const HOW: Draw = {
  cycleId: 'cyc-1',
  version: 5,
  model: 'gyre-v000005',
  samples: 2,
  temperature: 0.7,
  contextLength: 2048,
};
const action = (part: Partial<Action> = {}): Action => ({
  text: 'three',
  calls: [],
  finishReason: 'stop',
  cut: false,
  promptTokenIds: PROMPT,
  tokenIds: [8, 9],
  logprobs: [-0.5, -0.25],
  usage: NO_USAGE,
  timings: { startedAt: 0, totalMs: 1 },
  ...part,
});

/** An engine that gives these actions, or throws; and what it was asked. */
function engine(given: readonly Action[] | Error): { readonly policy: Policy; readonly asked: PolicyRequest[] } {
  const asked: PolicyRequest[] = [];
  const policy: Policy = {
    async *sample(request) {
      asked.push(request);
      await Promise.resolve();
      if (given instanceof Error) throw given;
      return given;
    },
  };
  return { policy, asked };
}

const { signal } = new AbortController();
const drawn = async (
  state: Partial<LoggedState>,
  given: readonly Action[] | Error = [action(), action()],
  how: Partial<Draw> = {},
): Promise<Awaited<ReturnType<typeof draw>> & { readonly asked: PolicyRequest | undefined }> => {
  const { policy, asked } = engine(given);
  const group = await draw(policy, { ...STATE, ...state }, { ...HOW, ...how }, signal);
  return { ...group, asked: asked[0] };
};

test('a group has the actions of the version it was drawn from, as they were sampled', async () => {
  const { asked, ...group } = await drawn({});
  expect(asked).toEqual({
    model: 'gyre-v000005',
    messages: STATE.messages,
    tools: STATE.tools,
    toolChoice: 'auto',
    sampling: { temperature: 0.7, top_p: 1, max_tokens: 1024 },
    n: 2,
  });
  expect(group).toMatchObject({ cycleId: 'cyc-1', stepId: 'step-1', policyVersion: 5, outcome: 'drawn', drawn: 2 });
  expect(group.samples).toHaveLength(2);
  expect(group.samples[0]).toMatchObject({
    stepId: 'step-1',
    policyVersion: 5,
    text: 'three',
    promptTokenIds: PROMPT,
    tokenIds: [8, 9],
    logprobs: [-0.5, -0.25],
    temperature: 0.7,
    cut: false,
  });
  expect(group.samples[0]).not.toHaveProperty('bound');
});

test.each([
  ['none', 'none'],
  ['auto', 'auto'],
  ['required', 'auto'],
  [{ name: 'calculator' }, 'auto'],
] as const)('of the logged choice %j the state keeps %s', async (toolChoice, kept) => {
  expect((await drawn({ toolChoice })).asked?.toolChoice).toBe(kept);
});

test('what made an action strict is no part of its state', async () => {
  const { asked } = await drawn({
    tools: [
      { name: 'a', strict: true },
      { name: 'b', description: 'B' },
    ],
  });
  expect(asked?.tools).toEqual([{ name: 'a' }, { name: 'b', description: 'B' }]);
});

test.each([
  ['nothing', undefined, 2048, 1024, 'own'],
  ['a small bound', 20, 2048, 20, 'client'],
  ['our own bound', 1024, 2048, 1024, 'client'],
  ['a large bound', 1500, 2048, 1500, 'own'],
  ['more than fits', 1500, 504, 500, 'own'],
  ['nothing, where little fits', undefined, 104, 100, 'own'],
  ['less than what fits', 50, 104, 50, 'client'],
  ['nothing, of an engine that says nothing', undefined, undefined, 1024, 'own'],
] as const)('a user who asked for %s gets what fits, and whose bound it is', async (_, most, length, tokens, bound) => {
  const { asked, samples } = await drawn(
    { sampling: most === undefined ? {} : { max_tokens: most } },
    [action({ cut: true, finishReason: 'length' }), action()],
    { contextLength: length },
  );
  expect(asked?.sampling.max_tokens).toBe(tokens);
  expect(samples.map((sample) => sample.bound)).toEqual([bound, undefined]);
});

test('the bound of an answer that the learner asked for itself is ours', async () => {
  const { asked, samples } = await drawn({ sampling: { max_tokens: 20 }, origin: 'generate' }, [action({ cut: true })]);
  expect(asked?.sampling.max_tokens).toBe(20);
  expect(samples.map((sample) => sample.bound)).toEqual(['own']);
});

test('a prompt that fills the context is refused without asking', async () => {
  const { asked, ...group } = await drawn({}, [action()], { contextLength: 4 });
  expect(asked).toBeUndefined();
  expect(group).toMatchObject({ outcome: 'refused', samples: [] });
  expect(group.reason).toBe('its prompt of 4 tokens leaves no room in a context of 4');
});

const fault = (status: number, code: string): GyreError =>
  new GyreError({ side: 'engine', status, code, message: `engine said ${status}` });

test('a state the engine refuses costs itself, with the engine’s words', async () => {
  expect(await drawn({}, fault(400, 'invalid_value'))).toMatchObject({ outcome: 'refused', reason: 'engine said 400' });
});

test.each([
  [429, 'rate_limit_exceeded'],
  [502, 'engine_error'],
  [503, 'engine_unreachable'],
  [504, 'engine_timeout'],
])('an engine that is away (%d) is no outcome of a state', async (status, code) => {
  await expect(drawn({}, fault(status, code))).rejects.toMatchObject({ code });
});

test('other ids than were logged are drift, and none are none', async () => {
  expect(await drawn({}, [action({ promptTokenIds: [1, 2, 3] })])).toMatchObject({ outcome: 'drift', samples: [] });
  expect(await drawn({}, [action({ promptTokenIds: undefined })])).toMatchObject({ outcome: 'no_token_ids' });
  const { asked, ...group } = await drawn({ promptTokenIds: undefined });
  expect(asked).toBeUndefined();
  expect(group).toMatchObject({ outcome: 'no_token_ids', samples: [] });
});

test('an action without ids is none, and one that spells what is to be redacted is not kept', async () => {
  const actions = [action(), action({ tokenIds: [] }), action({ text: 'my secret' }), action({ logprobs: undefined })];
  const group = await drawn({}, actions, { redactor: redactorOf(['secret']) });
  expect(group).toMatchObject({ outcome: 'drawn', drawn: 1, redacted: 1 });
  expect(group.samples.map(({ text }) => text)).toEqual(['three']);
});
