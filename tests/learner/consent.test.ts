/** Consent as it stands when something is learned, not as it stood when it was logged. */
import { afterEach, expect, it } from 'vitest';

import { runCycle } from '../../src/learner/cycle.js';
import { generate } from '../../src/learner/generating.js';
import { consented } from '../../src/store/learning/consent.js';
import { addKey, changeKey } from '../../src/store/keys/keys.js';
import { unjudged } from '../../src/store/clock/unjudged.js';
import { type Gateway, startGateway } from '../fakes/gateway.js';
import { type Bench, bench, sum, tasks } from './bench.js';
import { select } from './counted.js';

let opened: { close(): Promise<void> } | undefined;
afterEach(() => opened?.close());

async function start(): Promise<Gateway> {
  const gateway = await startGateway({ script: () => ({ text: 'ok' }) });
  opened = gateway;
  return gateway;
}

type Headers = Readonly<Record<string, string>>;
const user = (content: string): { role: 'user'; content: string } => ({ role: 'user', content });
const OK = { role: 'assistant', content: 'ok' };

const ask = (gateway: Gateway, messages: readonly unknown[], headers: Headers): Promise<Response> =>
  gateway.post({ model: 'gyre', messages }, { headers });

const stepsOf = (gateway: Gateway): string[] => gateway.logged.flatMap(({ steps }) => steps.map(({ id }) => id));

/** The steps of the gateway that may be judged, may be taken up, and may be trained on, by their place. */
function open(gateway: Gateway): (readonly number[])[] {
  const { db } = gateway.store;
  const all = stepsOf(gateway);
  const places = (ids: readonly string[]): number[] => ids.map((id) => all.indexOf(id)).sort();
  return [
    places([...new Set(unjudged(db, [{ name: 'any', version: '1' }], 100)?.subjects.map(({ stepId }) => stepId))]),
    places(select(db, 'none', 'resample').kept.map(({ stepId }) => stepId)),
    places([...consented(db, all)]),
  ];
}

it("a key's consent counts now: withdrawn and given again", async () => {
  const gateway = await start();
  const { headers, id } = gateway.key('ann');
  await ask(gateway, [user('a')], headers);
  await ask(gateway, [user('b')], gateway.key('bob').headers);
  expect(open(gateway)).toEqual([
    [0, 1],
    [0, 1],
    [0, 1],
  ]);
  changeKey(gateway.store.db, id, { train: false });
  expect(open(gateway)).toEqual([[1], [1], [1]]);
  expect(select(gateway.store.db, 'none', 'resample').dropped).toEqual({ no_consent: 1 });
  changeKey(gateway.store.db, id, { train: true });
  expect(open(gateway)).toEqual([
    [0, 1],
    [0, 1],
    [0, 1],
  ]);
});

it('every step of a state has to consent, and what comes before one that does not is free', async () => {
  const gateway = await start();
  const { headers } = gateway.key('ann');
  await ask(gateway, [user('a')], headers);
  await ask(gateway, [user('a'), OK, user('b')], { ...headers, 'x-gyre-train': 'no' });
  await ask(gateway, [user('a'), OK, user('b'), OK, user('c')], headers);
  expect(open(gateway)).toEqual([[0], [0], [0]]);
});

it('a trajectory that branched off words given without consent is not trained on either', async () => {
  const gateway = await start();
  const { headers } = gateway.key('ann');
  await ask(gateway, [user('secret')], { ...headers, 'x-gyre-train': 'no' });
  await ask(gateway, [user('secret'), OK, user('go on')], { ...headers, 'x-gyre-train': 'no' });
  // The second continuation of one answer is a trajectory of its own, and consents by itself.
  await ask(gateway, [user('secret'), OK, user('or else')], headers);
  expect(new Set(gateway.logged.map(({ trajectoryId }) => trajectoryId)).size).toBe(2);
  expect(open(gateway)[2]).toEqual([]);
  // The same words that were also said with consent are free.
  await ask(gateway, [user('secret')], headers);
  await ask(gateway, [user('other')], headers);
  expect(open(gateway)[2]).toEqual([2, 3, 4]);
});

it("words of another key are that key's to give", async () => {
  const gateway = await start();
  await ask(gateway, [user('hello')], { ...gateway.key('ann').headers, 'x-gyre-train': 'no' });
  await ask(gateway, [user('hello'), OK, user('go on')], gateway.key('bob').headers);
  expect(open(gateway)[2]).toEqual([1]);
});

/** A cycle over steps of one key, which withdraws its consent at the given moment. */
async function cycleWithdrawn(when: (bench: Bench) => boolean): Promise<Bench> {
  const made = await bench();
  opened = made;
  const { store, learner } = made;
  const { key } = addKey(store.db, { name: 'ann' });
  const list = tasks(made, [sum('t1', 1, 2), sum('t2', 3, 4), sum('t3', 5, 6)]);
  await generate(learner, list, 1, 0);
  store.sqlite.prepare('UPDATE steps SET key_id = ?').run(key.id);
  let withdrawn = false;
  const look = (): void => {
    if (withdrawn || !when(made)) return;
    withdrawn = true;
    changeKey(store.db, key.id, { train: false });
  };
  const watching = {
    ...learner,
    progress: look,
    get trainer() {
      look();
      return learner.trainer;
    },
  };
  await runCycle(watching, { heldout: [], gate: false });
  expect(withdrawn).toBe(true);
  return made;
}

const count = ({ store }: Bench, table: string): number =>
  (store.sqlite.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;

it('consent that is withdrawn while samples are drawn keeps them out of the batch', async () => {
  const made = await cycleWithdrawn((each) => count(each, 'samples') > 0);
  expect(count(made, 'batches')).toBe(0);
  expect(made.trainer.applied).toEqual([]);
});

it('consent that is withdrawn before a batch is sent keeps the batch here', async () => {
  const made = await cycleWithdrawn((each) => count(each, 'batches') > 0);
  expect(made.trainer.applied).toEqual([]);
  expect(made.store.sqlite.prepare('SELECT state, note FROM batches').all()).toEqual([
    {
      state: 'failed',
      note: expect.stringMatching(/^consent to learn from \d+ of its states was withdrawn/) as string,
    },
  ]);
  expect(count(made, 'batch_items')).toBe(0);
});
