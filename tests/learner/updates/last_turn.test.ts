/** States in which no call is run: they are asked again as they were, and a call there is worth nothing. */
import { afterEach, expect, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { runCycle } from '../../../src/learner/cycle.js';
import { generate } from '../../../src/learner/generating.js';
import { samplesOf } from '../../../src/store/learning/samples.js';
import { verify } from '../../../src/store/proof/verify.js';
import { stateOf } from '../../../src/store/read/state.js';
import type { EngineRequest, Reply } from '../../fakes/engine.js';
import { bench, type Bench, sum, tasks } from '../bench.js';

let made: Bench;
afterEach(() => made.close());

const ADD = { name: 'calculator', arguments: '{"expression":"11+22"}' };

/** Calls first; after a result the right answer, and where several are drawn a call besides. */
function script({ body }: EngineRequest): Reply {
  if (body.n === undefined) return body.messages.at(-1)?.role === 'tool' ? { text: 'It is 33.' } : { calls: [ADD] };
  return { variants: [{ text: 'It is 33.' }, { calls: [ADD] }] };
}

interface Row {
  readonly id: string;
  readonly calls_allowed: number | null;
}

async function logged(): Promise<readonly Row[]> {
  made = await bench({ script, config: { learning: { samples: 2 }, limits: { steps: 1 } } });
  await generate(made.learner, tasks(made, [sum('a', 11, 22)]), 1, 0);
  return made.store.sqlite.prepare<[], Row>('SELECT id, calls_allowed FROM steps ORDER BY seq').all();
}

/** The rewards of the samples at a step that call, and of those that do not. */
function advantages(stepId: string, cycleId: string): Record<'calls' | 'says', number | undefined> {
  const of = (sample: { readonly id: string } | undefined): number | undefined =>
    made.trainer.applied[0]?.actions.find(({ id }) => id === sample?.id)?.advantage;
  const samples = samplesOf(made.store.db, GYRE_POLICY, cycleId).filter((sample) => sample.stepId === stepId);
  return {
    calls: of(samples.find(({ calls }) => calls.length > 0)),
    says: of(samples.find(({ calls }) => calls.length === 0)),
  };
}

test('a call at the last turn of an answer is worth nothing', async () => {
  const [first, last] = await logged();
  if (first === undefined || last === undefined) throw new Error('there are not two steps');
  expect([first.calls_allowed, last.calls_allowed]).toEqual([null, 0]);
  const { db } = made.store;
  expect([stateOf(db, first.id)?.callsAllowed, stateOf(db, last.id)?.callsAllowed]).toEqual([true, false]);
  const cycle = await runCycle(made.learner, { heldout: [] });
  expect(cycle.state, cycle.note).toBe('done');
  expect(cycle.counts).toMatchObject({ states: 2, malformed_call: 1 });
  // At the first turn the same call is as good as the answer.
  expect(advantages(last.id, cycle.id)).toEqual({ calls: -0.5, says: 0.5 });
  expect(verify(db)).toMatchObject({ ok: true });
});

test('of a step of an earlier build, what the loop says at its end tells that it is the last turn', async () => {
  const [first, last] = await logged();
  if (first === undefined || last === undefined) throw new Error('there are not two steps');
  made.store.sqlite.exec('UPDATE steps SET calls_allowed = NULL');
  const { db } = made.store;
  expect([stateOf(db, first.id)?.callsAllowed, stateOf(db, last.id)?.callsAllowed]).toEqual([true, false]);
});

test('a state that allowed no call is asked again without calls', async () => {
  const [first] = await logged();
  made.store.sqlite.prepare('UPDATE steps SET tool_choice = ? WHERE id = ?').run('"none"', first?.id);
  expect(stateOf(made.store.db, first?.id ?? '')).toMatchObject({ toolChoice: 'none', callsAllowed: false });
  made.engine.requests.length = 0;
  await runCycle(made.learner, { heldout: [] });
  const drawn = made.engine.requests.filter(({ body }) => body.n === 2);
  expect(drawn.map(({ body }) => [body.messages.length, body['tool_choice']])).toEqual([
    [1, 'none'],
    [3, 'auto'],
  ]);
});

test('a state whose action was constrained is taken up, and asked again without the constraint', async () => {
  const [first] = await logged();
  const { sqlite } = made.store;
  sqlite
    .prepare(`UPDATE steps SET not_trainable = 'constrained', tool_choice = '"required"' WHERE id = ?`)
    .run(first?.id);
  made.engine.requests.length = 0;
  const cycle = await runCycle(made.learner, { heldout: [] });
  expect(cycle.counts).toMatchObject({ states: 2, sampled: 4 });
  expect(cycle.counts['dropped.no_state']).toBeUndefined();
  expect(made.engine.requests.filter(({ body }) => body.n === 2).map(({ body }) => body['tool_choice'])).toEqual([
    'auto',
    'auto',
  ]);
});
