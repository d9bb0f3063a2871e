/** GET /gyre/v1/judges: everything there is to tell of them, for an admin. */
import { afterEach, expect, test } from 'vitest';

import { parseConfig } from '../../../src/core/config.js';
import { calibrationOf } from '../../../src/core/judging/calibration.js';
import type { Judge, Verdict } from '../../../src/core/learning/judging.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import type { JudgesView } from '../../../src/core/judging/views.js';
import { callerOf, requireAdmin, scopeOf } from '../../../src/http/callers/auth.js';
import { SHAPES } from '../../../src/http/openapi/shapes.js';
import { oneByOne } from '../../../src/judge/one_by_one.js';
import { calibrate, type GoldSubject } from '../../../src/learner/judges/calibrating.js';
import { learningRoutes } from '../../../src/learner/routes.js';
import { presentJudges } from '../../../src/run/judges/present.js';
import { learningRowsOf } from '../../../src/run/reading/asked.js';
import { saveCalibration } from '../../../src/store/judges/calibrations.js';
import { saveDrifts } from '../../../src/store/judges/drifts.js';
import { saveJudged } from '../../../src/store/learning/verdicts.js';
import type { Gateway } from '../../fakes/gateway.js';
import { startWhole } from '../../fakes/whole.js';
import { askOver, fixedKeys } from '../../run/rows.js';
import { answer, opened, opening, user } from '../../store/fixture.js';

let gateway: Gateway | undefined;
afterEach(async () => gateway?.close());

const unused = (): never => {
  throw new Error('not asked here');
};

const CRITIC = { name: 'critic', kind: 'model', url: 'http://127.0.0.1:9', model: 'judge-7b' };

test('a gateway tells of its judges in the shape that /openapi.json says', async () => {
  gateway = await startWhole({ config: { judges: [CRITIC] } });
  const response = await fetch(`${gateway.url}/gyre/v1/judges`);
  expect(response.status).toBe(200);
  const body = SHAPES.Judges.parse(await response.json()) as JudgesView;
  expect(body.bounds).toEqual({ items: 200, accuracy: 0.75, false_accept: 0.15, drift: 0.3, agreement: 0.75 });
  const judge = (name: string) => body.data.find((each) => each.name === name);
  expect(judge('person')).toMatchObject({ kind: 'person', version: null, may_reward: true });
  expect(judge('reference')).toMatchObject({ kind: 'rule', may_reward: true, why: 'it knows right from wrong' });
  expect(judge('well_formed')).toMatchObject({ may_reward: false });
  expect(judge('critic')).toMatchObject({
    kind: 'model',
    version: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
    may_reward: false,
    why: expect.stringContaining('"learning.rewards" does not name it; it is not calibrated') as string,
    calibration: null,
  });
});

test('it says what each judge said, failed at and took, and how far they agree, also with people', async () => {
  const { store, log } = opened();
  let made = 0;
  const word = (subjectId: string, judge: string, good?: boolean): Verdict => {
    made += 1;
    return {
      ...{ id: `vrd-${made}`, subjectKind: 'step', subjectId, judge, judgeVersion: String(made), rationale: '' },
      ...{ createdAt: Date.now() + made, cost: { promptTokens: 10, completionTokens: 5, ms: 500 } },
      ...(good === undefined ? {} : { good, score: Number(good) }),
    };
  };
  const ids: string[] = [];
  for (let at = 0; at < 6; at += 1)
    ids.push((await answer(log, opening([user(`q ${at}`)]), [{ text: 'a' }])).steps[0]?.id ?? '');
  const [a = '', b = '', c = '', d = '', e = '', f = ''] = ids;
  saveJudged(store.db, {
    verdicts: [
      ...[word(a, 'critic', true), word(b, 'critic', false), word(c, 'critic', true), word(d, 'critic')],
      ...[word(a, 'stranger', true), word(b, 'stranger', false), word(c, 'stranger', false)],
      ...[word(a, 'person', false), word(a, 'person', true), word(b, 'person', false), word(e, 'person', true)],
    ],
    faults: [
      { ...{ subjectKind: 'step', subjectId: f, stepId: f, judge: 'critic', judgeVersion: '1' }, reason: '503' },
    ],
  });
  const config = parseConfig({ judges: [CRITIC] });
  const read = await learningRowsOf(askOver(store.db, config), () => ({ trainer: false, learn: false })).judges(
    new AbortController().signal,
  );
  const { data, agreement } = SHAPES.Judges.parse(JSON.parse(new TextDecoder().decode(read))) as JudgesView;
  expect(data.find(({ name }) => name === 'critic')).toMatchObject({
    verdicts: { good: 2, bad: 1, abstained: 1 },
    waiting: { subjects: 1, reason: '503' },
    cost: { prompt_tokens: 40, completion_tokens: 20, seconds: 2, tokens_today: 60, money: null },
  });
  expect(data.find(({ name }) => name === 'stranger')).toMatchObject({ kind: null, may_reward: false });
  const pair = (...judges: string[]) => agreement.pairs.find((each) => each.judges.join() === judges.join());
  expect(pair('critic', 'person')).toMatchObject({ steps: 2, agree: { share: 1, n: 2 }, kappa: 1, alpha: 1 });
  expect(pair('critic', 'stranger')).toMatchObject({ steps: 3, agree: { share: 2 / 3 } });
  expect(agreement.steps).toBe(3);
  expect(agreement.alpha).toBeGreaterThan(0);
  expect(agreement.alpha).toBeLessThan(1);
});

test('it has the calibration of the present version whole, and what an alarm says of its drift', async () => {
  const { store } = opened();
  const config = parseConfig({ judges: [CRITIC], learning: { rewards: ['person', 'critic'] } });
  const version = presentJudges(config, store.db).find(({ name }) => name === 'critic')?.version ?? '';
  const gold = Array.from({ length: 240 }, (_, at): GoldSubject => ({
    subject: {
      ...{ kind: 'step', id: `gold-${at}`, messages: [{ role: 'user', content: 'q' }], tools: [] },
      ...{ text: `It is ${at}.`, calls: [], index: 0 },
    },
    truth: at % 2 === 0,
    cluster: at % 3 === 0 ? 'far' : 'near',
  }));
  const judge: Judge = {
    ...{ name: 'critic', version, kind: 'model' },
    judge: oneByOne(({ text }) => {
      const good = Number(/\d+/.exec(text)?.[0]) % 2 === 0;
      return { kind: 'verdict', good, score: good ? 0.9375 : 0.125, rationale: '' };
    }),
  };
  const { signal } = new AbortController();
  const numbers = await calibrate(judge, gold, { signal, progress: () => undefined });
  const bounds = { items: 200, accuracy: 0.75, falseAccept: 0.15 };
  saveCalibration(store.db, calibrationOf(judge, { gold: 'sha256:0', source: 'file', numbers, bounds }));
  const drift = { judge: 'critic', judgeVersion: version, createdAt: Date.now(), version: 3 } as const;
  saveDrifts(
    store.db,
    GYRE_POLICY,
    [3],
    [
      { ...drift, measure: 'outcome', n: 40, value: 0.6, ci95: [0.5, 0.7], bound: 0.3, alarm: true },
      { ...drift, measure: 'people', n: 30, value: 0.9, ci95: [0.8, 0.95], bound: 0.75, alarm: false },
    ],
  );
  const app = learningRoutes({
    ...{ start: unused, promote: unused, rollback: unused, restart: unused, body: unused },
    rows: learningRowsOf(askOver(store.db, config), () => ({ trainer: false, learn: false })),
    allow: () => Promise.resolve({ keyId: undefined }),
  });
  const response = await app.request('/judges');
  expect(response.status).toBe(200);
  const { data } = SHAPES.Judges.parse(await response.json()) as JudgesView;
  const critic = data.find(({ name }) => name === 'critic');
  expect(critic).toMatchObject({ may_reward: true, why: expect.stringContaining('240 gold items') as string });
  expect(critic?.calibration).toMatchObject({
    ...{ judge_version: version, source: 'file', n: 240, faults: 0, kappa: 1, alpha: 1 },
    accuracy: { share: 1, n: 240 },
    false_accept: { share: 0, n: 120 },
    curve: [
      { n: 120, score: 0.125, good: 0 },
      { n: 120, score: 0.9375, good: 1 },
    ],
    clusters: [
      { name: 'far', accuracy: { share: 1, n: 80 } },
      { name: 'near', accuracy: { share: 1, n: 160 } },
    ],
    probes: [
      { name: 'injection', tried: 50, moved: 0, bound: 2 },
      { name: 'length', moved: 0, bound: null },
      { name: 'position', moved: 0, bound: null },
    ],
  });
  expect(critic?.drift).toMatchObject([
    { version: 3, measure: 'outcome', n: 40, value: 0.6, low: 0.5, high: 0.7, bound: 0.3, alarm: true },
    { version: 3, measure: 'people', alarm: false },
  ]);
  expect(critic?.drift[0]?.says).toMatch(/critic/);
});

test("another key than an admin's is refused, and so is none", async () => {
  const { store } = opened();
  const keys = fixedKeys((secret) =>
    secret === 'sk-root' || secret === 'sk-ann'
      ? { id: secret, role: secret === 'sk-root' ? 'admin' : 'client', train: true }
      : undefined,
  );
  const app = learningRoutes({
    ...{ start: unused, promote: unused, rollback: unused, restart: unused, body: unused },
    rows: learningRowsOf(askOver(store.db), () => ({ trainer: false, learn: false })),
    allow: async (request, admin) => scopeOf(await (admin ? requireAdmin : callerOf)(keys, request)),
  });
  const asked = (secret?: string) =>
    app.request('/judges', secret === undefined ? {} : { headers: { authorization: `Bearer ${secret}` } });
  expect((await asked('sk-root')).status).toBe(200);
  // Errors become responses above these routes.
  app.onError((error, c) => c.json({}, (error as unknown as { status: 401 }).status));
  expect([(await asked('sk-ann')).status, (await asked()).status]).toEqual([403, 401]);
});
