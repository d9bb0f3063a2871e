/** The canary from its beginning to its end: a real gateway with two versions, real rows, a look now and then. */
import { afterEach, expect, test } from 'vitest';

import { parseConfig } from '../../../src/core/config.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import type { Drift } from '../../../src/core/judging/drift.js';
import type { Canary } from '../../../src/core/judging/live.js';
import { declaredJudges, JUDGES } from '../../../src/core/learning/deciding.js';
import type { Judge } from '../../../src/core/learning/judging.js';
import type { LearningStore } from '../../../src/core/ports.js';
import { ruleJudges } from '../../../src/judge/rules/rules.js';
import type { Learner } from '../../../src/learner/deps.js';
import { judgeLog } from '../../../src/learner/judging.js';
import { beginCanary, harmIn, lookAtCanary, type Looked, type Looking } from '../../../src/learner/live/canary.js';
import { recomputeCanary } from '../../../src/promote/canary.js';
import { followed } from '../../../src/store/clock/followed.js';
import { learningStore } from '../../../src/store/clock/open.js';
import { decide, decisionsOf, servingVersion } from '../../../src/store/learning/decisions.js';
import { holdOutLive } from '../../../src/store/learning/held_out.js';
import { keptWeights } from '../../../src/store/learning/weights.js';
import { verify } from '../../../src/store/proof/verify.js';
import { addFeedback } from '../../../src/store/read/feedback.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { saveVersion } from '../../../src/store/learning/versions.js';
import { type Gateway, startGateway } from '../../fakes/gateway.js';

let gateway: Gateway | undefined;
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

interface Made {
  readonly gateway: Gateway;
  readonly rows: LearningStore;
  readonly watching: Looking;
  readonly canary: Canary;
}

type Script = NonNullable<Parameters<typeof startGateway>[0]>['script'];

/** Version 1 answers half of the conversations. */
async function started(script: Script = ({ body }) => ({ text: body.model }), gateId?: string): Promise<Made> {
  const made = (gateway = await startGateway({ script }));
  const { db } = made.store;
  holdOutLive(db, 0);
  saveVersion(db, GYRE_POLICY, { version: 1, kind: 'trained', parent: 0, metrics: {}, createdAt: Date.now() });
  const rows = learningStore(db, GYRE_POLICY);
  const watching = {
    rows,
    config: parseConfig({ gate: { canary_share: 0.5, canary_conversations: 40 } }),
    drifts: () => Promise.resolve([]),
  };
  const canary = (await beginCanary(watching, 1, gateId)) ?? expect.fail('no canary');
  made.serving.setCanary(followed(db, GYRE_POLICY).canary);
  return { gateway: made, rows, watching, canary };
}

interface Answered {
  readonly id: string;
  readonly version: number;
}

async function ask({ gateway: to }: Made, question: string, headers: Record<string, string> = {}): Promise<Answered> {
  const answer = await to.post({ model: 'gyre', messages: [{ role: 'user', content: question }] }, { headers });
  const version = Number(answer.headers.get('x-gyre-policy-version'));
  const { id = '' } = (await answer.json()) as { id?: string };
  return { id, version };
}

/** Asks and rates, until a look has ended it. */
async function rated(made: Made, good: (version: number, at: number) => boolean, most = 400): Promise<Looked> {
  for (let at = 0; at < most; at += 1) {
    const { id, version } = await ask(made, `Question ${at}?`);
    addFeedback(made.gateway.store.db, {
      responseId: id,
      keyId: '',
      within: undefined,
      value: good(version, at) ? 1 : -1,
    });
    if (at % 20 !== 19) continue;
    const looked = await look(made);
    if (looked?.ended === true) return looked;
  }
  return expect.fail('it never ended');
}

async function look({ gateway: { log }, watching }: Made): Promise<Looked | undefined> {
  await log.flush();
  return lookAtCanary(watching, Date.now() + 1_000, 0);
}

test('a candidate whose answers please more is promoted, out of a row that can be come to again', async () => {
  const made = await started();
  const { db } = made.gateway.store;
  expect(keptWeights(db, GYRE_POLICY)).toContain(1);
  const looked = await rated(made, (version, at) => version === 1 || at % 3 === 0);
  expect(looked).toMatchObject({ promoted: true, decision: { kind: 'canary', version: 1, against: 0, passed: true } });
  expect(servingVersion(db, GYRE_POLICY)).toBe(1);
  expect(decisionsOf(db, GYRE_POLICY, 5).map(({ kind }) => kind)).toEqual(['promotion', 'canary']);
  expect(followed(db, GYRE_POLICY).canary).toBeUndefined();
  const { canary: id, share, ...numbers } = looked.decision?.numbers ?? {};
  expect([id, share]).toEqual([made.canary.id, 0.5]);
  expect(numbers['sources']).toEqual({ feedback: (numbers['outcomes'] as unknown[]).length });
  expect(recomputeCanary(numbers)).toMatchObject({ decided: true, passed: true, numbers });
  expect(verify(db)).toMatchObject({ ok: true });
});

test('one whose answers please less is withdrawn by itself, and training is told of the harm', async () => {
  const made = await started(undefined, 'dec-of-a-gate');
  const looked = await rated(made, (version, at) => version === 0 || at % 5 === 0);
  expect(looked).toMatchObject({ promoted: false, ended: true, decision: { passed: false } });
  expect(looked.decision?.numbers['stopped']).toBe('worse');
  const { db } = made.gateway.store;
  expect(servingVersion(db, GYRE_POLICY)).toBe(0);
  expect(followed(db, GYRE_POLICY).canary).toBeUndefined();
  expect(harmIn(looked, 1)).toMatch(/^version 1: canary withdrawn: worse/);
  expect(harmIn(looked, 2)).toBeUndefined();
  // It is tried once against what serves.
  expect(await beginCanary(made.watching, 1, undefined)).toBeUndefined();
});

test('one that brings the engine down is withdrawn although nobody says a word', async () => {
  const made = await started(
    ({ body }) => (body.model === 'base' ? { text: 'fine' } : { status: 500 }),
    'dec-of-a-gate',
  );
  let looked: Looked | undefined;
  for (let at = 0; at < 200 && looked?.ended !== true; at += 1) {
    await ask(made, `Question ${at}?`);
    if (at % 20 === 19) looked = await look(made);
  }
  expect(looked?.decision?.numbers['stopped']).toBe('failing');
});

test('what did not consent, was no lot, began before or named its version is not compared', async () => {
  const made = await started();
  await ask(made, 'I do not want that.', { 'x-gyre-train': 'no' });
  await made.gateway.post({ model: 'gyre@1', messages: [{ role: 'user', content: 'You there?' }] });
  await ask(made, 'Hello');
  await ask(made, 'hello');
  await look(made);
  const outcomes = await made.rows.live.outcomes(made.canary);
  expect(outcomes).toHaveLength(1);
  expect(outcomes[0]).toMatchObject({ failed: false });
});

test('how a conversation went is read once, when it has had its time, and stays when it is deleted', async () => {
  const made = await started();
  await ask(made, 'Hello');
  await made.gateway.log.flush();
  await lookAtCanary(made.watching, Date.now(), 60_000);
  expect(await made.rows.live.outcomes(made.canary)).toEqual([]);
  await look(made);
  const [outcome] = await made.rows.live.outcomes(made.canary);
  expect(outcome?.trajectoryId).not.toBe('');
  removeTrajectory(made.gateway.store.db, GYRE_POLICY, outcome?.trajectoryId ?? '');
  expect(await made.rows.live.outcomes(made.canary)).toEqual([{ ...outcome, trajectoryId: '' }]);
});

test.each(['rollback', 'promotion'] as const)('a %s by hand ends it at once', async (kind) => {
  const made = await started();
  const { db } = made.gateway.store;
  decide(db, GYRE_POLICY, { kind, version: 2, against: 0, passed: true, reason: 'by hand', numbers: {} });
  expect(followed(db, GYRE_POLICY).canary).toBeUndefined();
  expect(await look(made)).toMatchObject({ ended: true, promoted: false });
  expect(await made.rows.live.canary()).toBeUndefined();
  expect(decisionsOf(db, GYRE_POLICY, 5).map((decision) => decision.kind)).toEqual([kind]);
});

test('an operator who sets its share to 0 ends it', async () => {
  const made = await started();
  expect(await lookAtCanary({ ...made.watching, config: parseConfig({}) })).toMatchObject({ ended: true });
  expect(await made.rows.live.canary()).toBeUndefined();
});

test('there is one at a time', async () => {
  const made = await started();
  expect(await beginCanary(made.watching, 2, undefined)).toBeUndefined();
  expect(await made.rows.live.canary()).toEqual(made.canary);
});

/** Asks a question, and lets its user say something next. */
async function asked(made: Made, question: string, next?: string): Promise<Answered> {
  const first = await ask(made, question);
  if (next === undefined) return first;
  const said = await made.gateway.post({
    model: 'gyre',
    messages: [
      { role: 'user', content: question },
      { role: 'assistant', content: first.version === 1 ? 'v1' : 'base' },
      { role: 'user', content: next },
    ],
  });
  await said.arrayBuffer();
  return first;
}

/** As the schedule has it: the log is judged before each look. */
async function judgedLook(made: Made, judges: Learner['judges'], declared: Learner['declared']) {
  await made.gateway.log.flush();
  const rows = learningStore(made.gateway.store.db, GYRE_POLICY, declared);
  const signal = new AbortController().signal;
  await judgeLog({ rows, judges, declared, toolbox: new Map(), signal, progress: () => undefined });
  return look(made);
}

const nameOf: NonNullable<Script> = ({ body }) => ({
  text: body.model === 'base' ? 'base' : 'v1',
});

test('users who correct are heard; who knows only what an action looks like tells nothing', async () => {
  const made = await started(nameOf);
  const silent = await asked(made, 'Nobody says anything of this.');
  const corrected = await asked(made, 'And of this?', 'No, that is wrong.');
  await judgedLook(made, ruleJudges(new Map()), JUDGES);
  const outcomes = await made.rows.live.outcomes(made.canary);
  expect(outcomes.map(({ arm, score, source }) => [arm, score, source])).toEqual([
    [silent.version === 1 ? 'candidate' : 'serving', undefined, undefined],
    [corrected.version === 1 ? 'candidate' : 'serving', 0.2, 'signals'],
  ]);
});

test('judges that may reward are heard before what the log says, and those that may not are not', async () => {
  for (const calibrated of [true, false]) {
    const made = await started(nameOf);
    const critic: Judge = {
      ...{ name: 'critic', kind: 'model', version: '1' },
      judge: (subjects) =>
        Promise.resolve(subjects.map(() => ({ kind: 'verdict', score: 0.9, good: true, rationale: '' }))),
    };
    const declared = declaredJudges({
      rewards: ['person', 'critic', 'reference'],
      configured: [critic],
      calibrated: new Set(calibrated ? ['critic'] : []),
    });
    await asked(made, 'What of this?', 'No, that is wrong.');
    await judgedLook(made, [...ruleJudges(new Map()), critic], declared);
    const [outcome] = await made.rows.live.outcomes(made.canary);
    expect(outcome).toMatchObject(calibrated ? { score: 1, source: 'critic' } : { score: 0.2, source: 'signals' });
    await made.gateway.close();
  }
});

test('a candidate that pleases more is held back where a judge that rewards has drifted on it', async () => {
  const made = await started();
  const of: number[] = [];
  const drift: Drift = {
    ...{ version: 1, judge: 'critic', judgeVersion: '1', measure: 'outcome', n: 40, value: 0.7 },
    ...{ ci95: [0.6, 0.8], bound: 0.3, alarm: true, createdAt: 0 },
  };
  const drifts: Looking['drifts'] = (versions) => {
    of.push(...versions);
    return Promise.resolve([drift]);
  };
  const looked = await rated({ ...made, watching: { ...made.watching, drifts } }, (version) => version === 1);
  expect(looked).toMatchObject({ promoted: false, decision: { passed: false } });
  expect(looked.decision?.numbers).toMatchObject({ stopped: 'alarm', alarms: ['drift_outcome (critic on version 1)'] });
  // Measured once, of both.
  expect(new Set(of)).toEqual(new Set([0, 1]));
});
