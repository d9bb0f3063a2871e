/** A judge that is trained on labels: when, on which, what is held out, and what a kill leaves. */
import { expect, test } from 'vitest';

import { GROWTH, isJudgeDue, judgeAdapterName, judgeOfAdapter } from '../../../src/core/judging/learned.js';
import { goldOfPeople } from '../../../src/learner/judges/gold.js';
import { JudgeTending } from '../../../src/learner/judges/learned.js';
import { labelledFor } from '../../../src/learner/judges/labelled.js';
import { judgeLog } from '../../../src/learner/judging.js';
import { world } from './learned_world.js';

test('nothing is trained before there are enough labels, and nothing is asked', async () => {
  const { steps, tend, versions, trainer, learner, all } = await world();
  await steps(49);
  await steps(20, { by: '' });
  expect(await tend()).toBe(false);
  expect(versions()).toEqual([]);
  expect(trainer.sent).toEqual([]);
  await judgeLog(learner);
  expect(all("SELECT count(*) AS n FROM verdicts WHERE judge = 'critic'")).toEqual([{ n: 0 }]);
});

test('labels become a judge that speaks of the rest of the traffic, and not of what is unlike it', async () => {
  const { steps, tend, versions, learner, all, engine, calibrated } = await world();
  await steps(60);
  const rest = await steps(12, { by: '' });
  const [strange] = await steps(1, { by: '', wording: () => 'Name the river that runs through Bonn' });
  expect(await tend()).toBe(true);
  expect(versions()).toMatchObject([{ version: 1, state: 'serving', labels: 60, good: { text: ' good' } }]);
  await judgeLog(learner);
  const words = all(
    `SELECT subject_id AS id, good, judge_version AS version FROM verdicts
      WHERE judge = 'critic' AND subject_kind = 'step'`,
  ) as { id: string; good: number | null; version: string }[];
  expect(words).toHaveLength(73);
  expect(new Set(words.map(({ version }) => version))).toEqual(new Set([versions()[0]?.judgeVersion]));
  const of = new Map(words.map(({ id, good }) => [id, good]));
  expect(rest.map((id) => of.get(id))).toEqual(rest.map((_, at) => Number((61 + at) % 3 > 0)));
  expect(of.get(strange ?? '')).toBeNull();
  expect(engine.requests.every(({ body }) => body.model === 'judge-critic-v1')).toBe(true);
  // Nothing shows yet that it can tell: it filters, and no reward comes of it.
  expect(all("SELECT count(*) AS n FROM decided WHERE judge = 'critic' AND gradable = 1")).toEqual([{ n: 0 }]);
  // People's words that it was trained on, or fitted to, are no gold of it.
  const gold = (await goldOfPeople(learner, 'critic')).map((item) => ('stepId' in item ? item.stepId : ''));
  expect(gold.toSorted()).toEqual((versions()[0]?.gold ?? []).toSorted());
  expect(gold.length).toBeLessThan((await goldOfPeople(learner, 'another')).length);
  // Nor of a panel that it is a member of.
  const { rows, config } = learner;
  const panel = { name: 'two', kind: 'panel' as const, of: ['critic', 'reference'], rule: 'majority' as const };
  const withPanel = { rows, config: { ...config, judges: [...config.judges, panel] } };
  expect(await goldOfPeople(withPanel, 'two')).toHaveLength(gold.length);
  // How well it does on labels it was not trained on is told at once.
  expect(calibrated).toHaveLength(1);
  expect(versions()[0]?.note).toMatch(/^told \d+ of \d+ gold items, abstained from 0: accuracy 1\.000/);
});

test('what is sent are the tokens it is asked with later, held-out questions apart', async () => {
  const { steps, tend, trainer, versions, engine } = await world({ heldout: 0.3 });
  await steps(80);
  await tend();
  const [sent] = trainer.sent;
  expect(sent).toMatchObject({ judge: 'critic', version: 1, hyper: { rank: 16, alpha: 32, batch: 16 } });
  const inPart = (part: string): number => sent?.labels.filter((label) => label.part === part).length ?? 0;
  const share = 1 - inPart('train') / 80;
  expect(share).toBeGreaterThan(0.1);
  expect(share).toBeLessThan(0.6);
  expect(versions()[0]?.gold).toHaveLength(inPart('test'));
  const [asked] = engine.requests;
  const prompt = (asked?.body as unknown as { prompt: readonly number[] }).prompt;
  expect(sent?.labels.map(({ ids }) => ids)).toContainEqual(prompt);
});

test('one question is on one side however often it is asked, and stays there', async () => {
  const { steps, learner, judgeConfig } = await world();
  await steps(60, { wording: (n) => `What is ${n % 6} times 7?` });
  const before = await labelledFor(learner, judgeConfig);
  const sides = new Map<string, Set<string>>();
  for (const { subject, part } of before.steps) {
    const question = JSON.stringify(subject.messages);
    sides.set(question, (sides.get(question) ?? new Set()).add(part));
  }
  expect([...sides.values()].every((each) => each.size === 1)).toBe(true);
  await steps(40);
  const after = new Map((await labelledFor(learner, judgeConfig)).steps.map(({ stepId, part }) => [stepId, part]));
  expect(before.steps.every(({ stepId, part }) => after.get(stepId) === part)).toBe(true);
});

test('it is trained again when there are a quarter more labels, and the one before is not asked any more', async () => {
  const { steps, tend, versions, engine, learner, trainer } = await world();
  await steps(60);
  await tend();
  const first = learner.judges.find(({ name }) => name === 'critic')?.version;
  await steps(14);
  expect(await tend()).toBe(false);
  await steps(1);
  expect(await tend()).toBe(true);
  expect(versions()).toMatchObject([
    { version: 2, state: 'serving', labels: 75 },
    { version: 1, state: 'replaced' },
  ]);
  expect([...engine.adapters]).toEqual(['judge-critic-v2']);
  expect(learner.judges.find(({ name }) => name === 'critic')?.version).not.toBe(first);
  await steps(25);
  await tend();
  expect([...engine.adapters]).toEqual(['judge-critic-v3']);
  // Of the old ones one stays on the disk.
  expect(trainer.calls.filter((route) => route.startsWith('DELETE'))).toEqual(['DELETE /v1/judges/critic/1']);
});

test('another recipe is another judge, without a single label more', () => {
  const made = { labels: 200, recipe: 'g1:a' };
  expect(isJudgeDue(200, 'g1:a', undefined, 200)).toBe(true);
  expect(isJudgeDue(199, 'g1:a', undefined, 200)).toBe(false);
  expect(isJudgeDue(249, 'g1:a', made, 200)).toBe(false);
  expect(isJudgeDue(200 * GROWTH, 'g1:a', made, 200)).toBe(true);
  expect(isJudgeDue(200, 'g1:b', made, 200)).toBe(true);
});

test('of one step the first that could tell labels; who takes a word back has said nothing', async () => {
  const { steps, rows, label, learner, judgeConfig } = await world();
  const [a = '', b = '', c = '', d = ''] = await steps(4, { by: '' });
  label(a, false, 'reference');
  label(a, true, 'feedback');
  label(b, true, 'reference');
  label(b, false, 'person');
  label(b, undefined, 'person');
  label(c, true, 'somebody');
  const told = await rows.learned.labels(['person', 'feedback', 'reference'], 100);
  expect(new Map(told.map(({ stepId, ...rest }) => [stepId, rest]))).toEqual(
    new Map([
      [a, { good: true, by: 'feedback', author: 'gyre' }],
      [b, { good: true, by: 'reference', author: 'gyre' }],
    ]),
  );
  expect(await rows.learned.labels(['reference'], 1)).toHaveLength(1);
  const [hidden = ''] = await steps(1, { consent: false });
  label(d, true);
  expect((await labelledFor(learner, judgeConfig)).steps.map(({ stepId }) => stepId)).not.toContain(hidden);
});

test('of what users say one key says no more than its share, of what people say everything counts', async () => {
  const { steps, learner, judgeConfig } = await world({ labels: ['person', 'feedback'] });
  const flood = new Set(await steps(40, { by: 'feedback', keyId: 'mal' }));
  for (const keyId of ['ann', 'bob', 'cat', 'dan', 'eve']) await steps(10, { by: 'feedback', keyId });
  const said = await labelledFor(learner, judgeConfig);
  const mals = said.steps.filter(({ stepId }) => flood.has(stepId)).length;
  expect([said.steps.length, mals]).toEqual([62, 12]);

  await steps(100, { keyId: 'mal' });
  expect((await labelledFor(learner, judgeConfig)).steps.length).toBeGreaterThan(162);
});

test('who is killed while it is trained goes on with the same version, and sends nothing twice', async () => {
  const { steps, tend, versions, trainer, process, stopping } = await world();
  await steps(60);
  trainer.slow = true;
  const killed = tend();
  const died = expect(killed).rejects.toThrow(/abort/);
  await expect.poll(() => trainer.sent.length, { timeout: 20_000 }).toBe(1);
  stopping.abort(new Error('killed'));
  await died;
  expect(versions()).toMatchObject([{ version: 1, state: 'training' }]);
  trainer.slow = false;
  const next = { ...process(), signal: new AbortController().signal };
  expect(await tend(next as never)).toBe(true);
  expect(versions()).toMatchObject([{ version: 1, state: 'serving' }]);
  expect(trainer.sent).toHaveLength(1);
});

test('a trainer that was killed is sent the same labels again, or makes another version of others', async () => {
  const { steps, tend, versions, trainer, rows, label } = await world();
  const ids = await steps(60);
  const begin = async (): Promise<void> => {
    trainer.away = true;
    await expect(tend()).rejects.toMatchObject({ code: 'trainer_unreachable' });
    trainer.away = false;
  };
  await begin();
  expect(versions()).toMatchObject([{ version: 1, state: 'training' }]);
  await tend();
  expect(versions()).toMatchObject([{ version: 1, state: 'serving' }]);
  await steps(20);
  await begin();
  label(ids[0] ?? '', undefined);
  await tend();
  expect(versions()).toMatchObject([
    { version: 2, state: 'lost', note: expect.stringContaining('cut off') as string },
    { version: 1, state: 'serving' },
  ]);
  expect(trainer.sent.map(({ version }) => version)).toEqual([1]);
  await tend();
  expect(versions()[0]).toMatchObject({ version: 3, state: 'serving', labels: 79 });
  expect(await rows.lock.take('cycle', 'a test')).toBeTypeOf('function');
});

test.each([
  ['a trainer that cannot train it', 'failed', /the loss is no number/],
  ['an engine that says something else than the trainer', 'unlike', /engine and trainer differ by 3/],
] as const)('%s makes no judge, and the same labels are not tried again', async (_, fate, note) => {
  const { steps, tend, versions, trainer, learner, engine } = await world();
  await steps(60);
  trainer.fate = fate;
  expect(await tend()).toBe(true);
  expect(versions()).toMatchObject([{ version: 1, state: 'failed', note: expect.stringMatching(note) as string }]);
  expect(await tend()).toBe(false);
  expect(learner.judges.map(({ name }) => name)).not.toContain('critic');
  expect([...engine.adapters]).toEqual([]);
  trainer.fate = 'done';
  await steps(15);
  await tend();
  expect(versions()[0]).toMatchObject({ version: 2, state: 'serving' });
});

test('labels of one word alone make no judge', async () => {
  const { steps, label, tend, versions, trainer } = await world();
  for (const id of await steps(60, { by: '' })) label(id, true);
  await tend();
  expect(versions()).toMatchObject([
    { state: 'failed', note: expect.stringMatching(/0 of its labels .* are bad/) as string },
  ]);
  expect(trainer.sent).toEqual([]);
});

test('an engine that comes back without the adapter gets it again; where it is gone another is trained', async () => {
  const { steps, tend, versions, trainer, engine } = await world();
  await steps(60);
  await tend();
  engine.adapters.clear();
  expect(await tend()).toBe(false);
  expect([...engine.adapters]).toEqual(['judge-critic-v1']);
  engine.adapters.clear();
  trainer.forget();
  await tend();
  expect(versions()).toMatchObject([{ version: 1, state: 'lost' }]);
  await tend();
  expect(versions()).toMatchObject([{ version: 2, state: 'serving' }, { state: 'lost' }]);
});

test('while a cycle runs none is trained, and while one is trained no cycle begins', async () => {
  const { steps, tend, trainer, rows } = await world();
  await steps(60);
  const release = await rows.lock.take('cycle', 'a learning cycle');
  await expect(tend()).rejects.toMatchObject({ code: 'cycle_running' });
  expect(trainer.sent).toEqual([]);
  await release();
  trainer.slow = true;
  const training = tend();
  await expect.poll(() => trainer.sent.length, { timeout: 20_000 }).toBe(1);
  await expect(rows.lock.take('cycle', 'a learning cycle')).rejects.toMatchObject({
    code: 'cycle_running',
    message: expect.stringContaining('training the judge "critic"') as string,
  });
  trainer.slow = false;
  await training;
});

test('a judge that another process trained is taken up between two looks, never within one', async () => {
  const { steps, tend, process } = await world();
  await steps(60);
  const other = process();
  await tend();
  const handle = other.learned?.judges[0];
  expect(handle?.trained).toBe(false);
  await new JudgeTending(other, 0).check();
  expect(handle?.trained).toBe(true);
});

test('its engine name is never one of a policy', () => {
  expect(judgeAdapterName('critic', 2)).toBe('judge-critic-v2');
  expect(judgeOfAdapter('judge-critic-v2')).toEqual({ judge: 'critic', version: 2 });
  for (const other of ['gyre-v000002', 'judge-critic', 'judge-critic-v0', 'base'])
    expect(judgeOfAdapter(other)).toBeUndefined();
});
