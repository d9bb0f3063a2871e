/** The loop by itself, with a policy that says what it is told: what it asks, what it shows, what it records. */
import { describe, expect, it } from 'vitest';

import type { ToolCall } from '../../src/core/message.js';
import { NO_USAGE, type Action, type Policy, type PolicyEvent, type PolicyRequest } from '../../src/core/policy.js';
import type { Tool } from '../../src/core/tool.js';
import type { NotTrainable, Step } from '../../src/core/trajectory.js';
import type { Finish, LoopEvent, LoopLimits, LoopRequest } from '../../src/loop/events.js';
import { run } from '../../src/loop/run.js';

const LIMITS: LoopLimits = {
  steps: 4,
  toolCalls: 8,
  milliseconds: 5_000,
  toolErrors: 3,
  tool: { timeoutMs: 1_000, maxBytes: 1_000 },
};
const REQUEST: LoopRequest = {
  model: 'base',
  policyVersion: 3,
  messages: [{ role: 'user', content: 'hi' }],
  clientTools: [],
  serverTools: new Map(),
  toolChoice: 'auto',
  sampling: {},
};
const never = new AbortController().signal;

function action(text: string, calls: readonly ToolCall[] = [], more: Partial<Action> = {}): Action {
  return {
    text,
    calls,
    finishReason: calls.length > 0 ? 'tool_calls' : 'stop',
    cut: false,
    promptTokenIds: [1, 2],
    tokenIds: [3, 4],
    logprobs: [-0.1, -0.2],
    usage: { ...NO_USAGE, prompt_tokens: 2, completion_tokens: 2 },
    timings: { startedAt: 0, totalMs: 0 },
    ...more,
  };
}

/** Says these actions in turn; remembers what it was asked. */
function saying(...actions: readonly Action[]): Policy & { readonly asked: PolicyRequest[] } {
  const asked: PolicyRequest[] = [];
  return {
    asked,

    async *sample(request): AsyncGenerator<PolicyEvent, readonly Action[]> {
      const said = actions[Math.min(asked.push(request), actions.length) - 1] ?? action('');
      yield { type: 'start' };
      if (said.text !== '') yield { type: 'text', index: 0, text: said.text };
      for (const [position, call] of said.calls.entries()) {
        yield { type: 'call', index: 0, position, id: call.id, name: call.name };
        yield { type: 'arguments', index: 0, position, text: call.arguments };
      }
      return [said];
    },
  };
}

async function all(
  policy: Policy,
  request: Partial<LoopRequest> = {},
  limits: Partial<LoopLimits> = {},
): Promise<{ events: LoopEvent[]; steps: Step[]; finish: Finish }> {
  const events: LoopEvent[] = [];
  const running = run({ ...REQUEST, ...request }, policy, { ...LIMITS, ...limits }, never);
  for (;;) {
    const next = await running.next();
    if (next.done === true)
      return {
        events,
        steps: events.flatMap((event) => (event.type === 'step' ? [event.step] : [])),
        finish: next.value,
      };
    events.push(next.value);
  }
}

const tool = (name: string, run: Tool['run'] = () => Promise.resolve(`${name} result`)): [string, Tool] => [
  name,
  { spec: { name }, pure: true, run },
];
const call = (id: string, name: string, args = '{}'): ToolCall => ({ id, name, arguments: args });
const client = (name: string): { name: string } => ({ name });

describe('the loop', () => {
  it('runs the calls of one turn side by side and appends their results in the order they were made', async () => {
    const order: string[] = [];
    const slow = tool('slow', async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      order.push('slow');
      return 'slow result';
    });
    const quick = tool('quick', () => Promise.resolve(String(order.push('quick'))));
    const policy = saying(action('', [call('1', 'slow'), call('2', 'quick')]), action('done'));
    const { steps, finish } = await all(policy, { serverTools: new Map([slow, quick]) });
    expect(order).toEqual(['quick', 'slow']);
    expect(policy.asked[1]?.messages.slice(2)).toEqual([
      { role: 'tool', tool_call_id: '1', content: 'slow result' },
      { role: 'tool', tool_call_id: '2', content: '1' },
    ]);
    expect(steps.map((step) => step.policyVersion)).toEqual([3, 3]);
    expect(finish.ending).toEqual({
      outcome: 'completed',
      stopReason: 'stop',
      usage: { prompt_tokens: 4, completion_tokens: 4, cached_tokens: 0, reasoning_tokens: 0 },
      toolUse: { requested: 2, executed: 2, by_tool: { slow: 1, quick: 1 } },
    });
  });

  it('records of its last turn that calls are thrown away, and of no other', async () => {
    const calling = action('', [call('1', 't')]);
    const tools = { serverTools: new Map([tool('t')]) };
    const last = await all(saying(calling, action('done')), tools, { steps: 1 });
    expect(last.steps.map((step) => [step.toolChoice, step.callsAllowed])).toEqual([
      ['auto', undefined],
      ['auto', false],
    ]);
    // Where the choice itself says so, or nothing can be called, the record need not.
    const none = await all(saying(action('done')), { ...tools, toolChoice: 'none' });
    const bare = await all(saying(action('done')));
    expect([...none.steps, ...bare.steps].every((step) => !('callsAllowed' in step))).toBe(true);
    const own = await all(
      saying(calling, action('done')),
      { ...tools, clientTools: [client('own')], ownCall: true },
      { steps: 1 },
    );
    expect(own.steps.map((step) => step.callsAllowed)).toEqual([undefined, undefined]);
  });

  it('keeps the order of the steps it asked for and the text the client has', async () => {
    const { events } = await all(saying(action('one ', [call('1', 't')]), action('two')), {
      serverTools: new Map([tool('t')]),
    });
    expect(events.map((event) => event.type)).toEqual([
      'start',
      'text',
      'tool_started',
      'tool_finished',
      'step',
      'text',
      'step',
    ]);
    expect(events.flatMap((event) => (event.type === 'step' ? [event.visible] : []))).toEqual([
      { role: 'assistant', content: 'one ' },
      { role: 'assistant', content: 'one two' },
    ]);
  });

  it('never executes an unknown name, whoever sends it', async () => {
    const policy = saying(action('', [call('1', '__proto__'), call('2', 'constructor')]), action('sorry'));
    const { steps } = await all(policy, { serverTools: new Map([tool('t')]) });
    expect(steps[0]?.calls.map((each) => [each.owner, each.observation?.error])).toEqual([
      ['server', 'unknown_tool'],
      ['server', 'unknown_tool'],
    ]);
  });

  it('drops every call when no tools were offered at all', async () => {
    const { finish, steps } = await all(saying(action('hm', [call('1', 't')])));
    expect(finish.finishReasons).toEqual(['stop']);
    expect(steps[0]?.calls).toEqual([]);
    expect(steps[0]?.action?.calls).toHaveLength(1);
    expect(steps[0]?.appended).toEqual([{ role: 'assistant', content: 'hm' }]);
  });

  it('gives the policy its own reasoning back within a response', async () => {
    const policy = saying(action('', [call('1', 't')], { reasoning: 'because' }), action('done'));
    await all(policy, { serverTools: new Map([tool('t')]) });
    expect(policy.asked[1]?.messages[1]).toMatchObject({ reasoning: 'because' });
  });

  it('ends what runs when it is left early', async () => {
    let fired = false;
    const policy: Policy = {
      async *sample(_request, signal): AsyncGenerator<PolicyEvent, readonly Action[]> {
        signal.addEventListener('abort', () => (fired = true));
        yield { type: 'start' };
        await new Promise(() => undefined);
        return [];
      },
    };
    const running = run(REQUEST, policy, LIMITS, never);
    await running.next();
    await running.return({} as Finish);
    expect(fired).toBe(true);
  });

  it('makes a fault of the policy an end, not an exception', async () => {
    const policy: Policy = {
      async *sample() {
        throw new Error('surprise');
      },
    };
    const { finish, steps } = await all(policy);
    expect(finish).toMatchObject({
      ending: { outcome: 'failed', stopReason: 'engine_error' },
      finishReasons: [],
      fault: { code: 'internal_error' },
    });
    expect(steps[0]).toMatchObject({ outcome: 'failed', notTrainable: 'engine_error' });
    expect(steps[0]?.action).toBeUndefined();
  });

  it('refuses to run a call after content_filter', async () => {
    let ran = false;
    const { finish } = await all(saying(action('', [call('1', 't')], { finishReason: 'content_filter' })), {
      serverTools: new Map([tool('t', () => Promise.resolve(String((ran = true))))]),
    });
    expect(ran).toBe(false);
    expect(finish.finishReasons).toEqual(['content_filter']);
  });
});

describe('a step', () => {
  const t = { name: 't' };
  const strict = { name: 't', strict: true };
  it.each<[string, Partial<LoopRequest>, Partial<Action>, NotTrainable | undefined]>([
    ['sampled freely', {}, {}, undefined],
    [
      'at a temperature',
      {
        sampling: {
          temperature: 0.7,
          top_p: 1,
          top_k: -1,
          min_p: 0,
          repetition_penalty: 1,
          max_tokens: 9,
          seed: 1,
          stop: 'x',
        },
      },
      {},
      undefined,
    ],
    ['without token ids', {}, { tokenIds: undefined }, 'no_token_ids'],
    ['without prompt ids', {}, { promptTokenIds: undefined }, 'no_token_ids'],
    ['without logprobs', {}, { logprobs: undefined }, 'no_logprobs'],
    ['with a schema for its answer', { forwarded: { response_format: { type: 'json_schema' } } }, {}, 'constrained'],
    ['with a plain text format', { forwarded: { response_format: { type: 'text' } } }, {}, undefined],
    ['with structured outputs', { forwarded: { structured_outputs: { regex: 'a' } } }, {}, 'constrained'],
    ['with a required call', { clientTools: [t], toolChoice: 'required' }, {}, 'constrained'],
    ['with a named call', { clientTools: [t], toolChoice: { name: 't' } }, {}, 'constrained'],
    ['with a strict tool', { clientTools: [strict] }, {}, 'constrained'],
    ['with a strict tool that is off', { clientTools: [strict], toolChoice: 'none' }, {}, undefined],
    ...(
      ['top_p', 'top_k', 'min_p', 'presence_penalty', 'frequency_penalty', 'repetition_penalty', 'min_tokens'] as const
    ).map((name): [string, Partial<LoopRequest>, Partial<Action>, NotTrainable] => [
      `with ${name}`,
      { sampling: { [name]: 0.5 } },
      {},
      'truncated_sampling',
    ]),
    ['with a logit bias', { sampling: { logit_bias: { '5': 1 } } }, {}, 'truncated_sampling'],
    ['with a list of tokens', { forwarded: { allowed_token_ids: [5] } }, {}, 'constrained'],
    ['with bad words', { forwarded: { bad_words: ['x'] } }, {}, 'truncated_sampling'],
    ['by a template of the client', { forwarded: { chat_template: '{{ x }}' } }, {}, 'control_text'],
    ['that was cut', {}, { cut: true, finishReason: 'length' }, 'cut'],
    ['of no tokens', {}, { tokenIds: [], logprobs: [] }, 'empty'],
    ['without consent', { withheld: 'no_consent' }, {}, 'no_consent'],
  ])('%s is recorded with the reason why it cannot be trained on, if any', async (_name, request, more, reason) => {
    const said = Object.fromEntries(
      Object.entries({ ...action('x'), ...more }).filter(([, value]) => value !== undefined),
    ) as unknown as Action;
    const { steps } = await all(saying(said), request);
    expect(steps[0]?.notTrainable).toBe(reason);
  });
});

describe('calls of both sides in one turn', () => {
  const request = { clientTools: [client('mine')], serverTools: new Map([tool('ours')]) };

  it('end the answer after ours have run, with theirs renumbered', async () => {
    const policy = saying(action('', [call('1', 'ours'), call('2', 'mine', '{"a":1}'), call('3', 'nobodys')]));
    const { events, finish, steps } = await all(policy, request);
    expect(events.filter((event) => event.type === 'call' || event.type === 'arguments')).toEqual([
      { type: 'call', index: 0, position: 0, id: '2', name: 'mine' },
      { type: 'arguments', index: 0, position: 0, text: '{"a":1}' },
    ]);
    expect(finish).toMatchObject({
      finishReasons: ['tool_calls'],
      ending: { stopReason: 'client_tools', toolUse: { requested: 2, executed: 1 } },
    });
    expect(
      steps[0]?.appended.map((message) => (message.role === 'tool' ? message.tool_call_id : message.role)),
    ).toEqual(['assistant', '1', '3']);
    expect(policy.asked).toHaveLength(1);
  });

  it('are all refused when the action was cut, but the client keeps what it already holds', async () => {
    const { finish, steps } = await all(
      saying(action('', [call('1', 'ours'), call('2', 'mine', '{"a"')], { cut: true, finishReason: 'length' })),
      request,
    );
    expect(finish.finishReasons).toEqual(['length']);
    expect(steps[0]?.calls.every((each) => each.observation === undefined)).toBe(true);
    expect(steps[0]?.appended).toHaveLength(1);
  });
});
