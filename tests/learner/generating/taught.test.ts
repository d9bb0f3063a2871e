/**
 * A teacher answers in the policy's place: where it came to is learned from, what it said there never. Its states are
 * judged and filtered like any; the actions that are trained are drawn there from the policy.
 */
import { afterEach, expect, test } from 'vitest';

import { parseConfig } from '../../../src/core/config.js';
import { Batch } from '../../../src/core/learning/batch.js';
import { FILTERS, type FilterName } from '../../../src/core/learning/cycle.js';
import { runCycle } from '../../../src/learner/cycle.js';
import { generateMissing } from '../../../src/learner/generating.js';
import { judgeLog } from '../../../src/learner/judging.js';
import { openTeacher, type OpenTeacher } from '../../../src/run/teacher.js';
import { verify } from '../../../src/store/proof/verify.js';
import { type Engine, type EngineRequest, type Reply, startEngine } from '../../fakes/engine.js';
import { arithmetic, bench, type Bench, sum, tasks } from '../bench.js';
import { select } from '../counted.js';

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

const TWO = [sum('a', 11, 22), sum('b', 33, 44)];
/** Says things no policy of ours says, so that its words are seen wherever they come to. */
const learned = (request: EngineRequest): Reply => {
  const reply = arithmetic(request).variants?.[0] ?? {};
  return reply.calls === undefined
    ? { ...reply, text: `Verily, ${String(reply.text)}`, tokenIds: false }
    : { ...reply, tokenIds: false };
};

async function taught(
  config: Record<string, unknown> = {},
): Promise<Bench & { teacher: OpenTeacher; upstream: Engine }> {
  const upstream = await startEngine({ script: learned, models: ['big'] });
  const made = await bench({ config });
  const given = parseConfig({ upstreams: [{ url: upstream.url, models: ['big'], api_key: 'k' }] });
  const teacher = openTeacher(given, 'big', {}, () => undefined);
  opened.push(upstream, made, teacher);
  tasks(made, TWO);
  await generateMissing(made.learner, TWO, { each: 1, version: 0, teacher });
  return { ...made, teacher, upstream };
}

test('its trajectories are in the log as an upstream’s, with calls that were run and what they gave', async () => {
  const { store, upstream, engine } = await taught();
  expect(engine.requests).toEqual([]);
  expect(upstream.requests).toHaveLength(4);
  expect(upstream.requests.filter(({ body }) => body.messages.at(-1)?.role === 'tool')).toHaveLength(2);
  expect(store.sqlite.prepare('SELECT DISTINCT policy_version, not_trainable FROM steps').all()).toEqual([
    { policy_version: -1, not_trainable: 'no_token_ids' },
  ]);
  expect(verify(store.db)).toMatchObject({ ok: true });
});

test('every filter keeps its states in mode resample, and no mode takes its actions', async () => {
  const { store, learner } = await taught();
  await judgeLog(learner);
  for (const filter of FILTERS as FilterName[]) {
    expect(select(store.db, filter, 'resample').kept, filter).toHaveLength(4);
    for (const mode of ['logged', 'sft'] as const)
      expect(select(store.db, filter, mode), `${filter} in ${mode}`).toEqual({ kept: [], dropped: { upstream: 4 } });
  }
});

test('a cycle draws the policy’s actions at its states and trains those, and no token of the teacher', async () => {
  const { learner, trainer, engine, store } = await taught();
  const cycle = await runCycle(learner, { heldout: [] });
  expect(cycle.state, cycle.note).toBe('done');
  expect(cycle.counts).toMatchObject({ states: 4, sampled: 12, drift: 0, no_token_ids: 0 });
  expect(engine.requests.filter(({ body }) => body.n === 3)).toHaveLength(4);
  const batch = Batch.parse(trainer.applied[0]);
  expect(batch.actions.length).toBeGreaterThan(0);
  const samples = store.sqlite.prepare('SELECT id FROM samples').pluck().all();
  expect(batch.actions.every(({ id }) => samples.includes(id))).toBe(true);
  expect(store.sqlite.prepare("SELECT count(*) FROM samples WHERE body LIKE '%Verily%'").pluck().get()).toBe(0);
});

test('without consent, deleted or held out it is learned from as little as anything', async () => {
  const { store, learner } = await taught();
  await judgeLog(learner);
  store.sqlite.prepare('UPDATE trajectories SET consent = 0').run();
  expect(select(store.db, 'none', 'resample')).toEqual({ kept: [], dropped: { no_consent: 4 } });
  store.sqlite.prepare('UPDATE trajectories SET consent = 1').run();
  tasks({ store } as Bench, [sum('a', 11, 22, 'heldout')]);
  expect(select(store.db, 'none', 'resample').dropped).toEqual({ heldout: 2 });
});

test('run again it asks its teacher nothing, and the policy is asked for trajectories of its own', async () => {
  const { learner, teacher, upstream, engine } = await taught();
  expect(await generateMissing(learner, TWO, { each: 1, version: 0, teacher })).toMatchObject({ there: 2 });
  expect(upstream.requests).toHaveLength(4);
  expect(await generateMissing(learner, TWO, { each: 1, version: 0 })).toMatchObject({ there: 0, trajectories: 2 });
  expect(engine.requests).toHaveLength(4);
});

test('a model that no upstream has is refused, with those that there are', () => {
  const config = parseConfig({ upstreams: [{ url: 'http://127.0.0.1:9', models: ['big', 'small'] }] });
  expect(() => openTeacher(config, 'bog', {}, () => undefined)).toThrow(
    '--from is "bog"; it must be "policy" or a model of "upstreams". Did you mean "big"? There are: big, small',
  );
});
