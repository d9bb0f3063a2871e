/** `/gyre/v1` speaks one dialect: its spelling, its times, its lists, and what it says of what is not there. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';

import { SHAPES } from '../../../src/http/openapi/shapes.js';
import { newId } from '../../../src/core/ids.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import type { EvaluationReport } from '../../../src/core/learning/evaluation.js';
import { saveReport } from '../../../src/store/learning/evaluations.js';
import { saveBatch } from '../../../src/store/learning/batches.js';
import { decide } from '../../../src/store/learning/decisions.js';
import { saveSamples } from '../../../src/store/learning/samples.js';
import { saveVerdicts } from '../../../src/store/learning/verdicts.js';
import { saveVersion } from '../../../src/store/learning/versions.js';
import { inTurn } from '../../fakes/engine.js';
import type { Gateway } from '../../fakes/gateway.js';
import { startWhole } from '../../fakes/whole.js';

interface List {
  readonly data: readonly Readonly<Record<string, unknown>>[];
  readonly has_more: boolean;
}
interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const BEGAN = Math.floor(Date.now() / 1000);
let gateway: Gateway;
/** The conversation that was judged, sampled, trained on and rated. */
let trajectory: string;
let step: string;

const ask = async (path: string, method = 'GET', body?: unknown): Promise<Answer> => {
  const response = await fetch(gateway.url + path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return { status: response.status, body: await response.json() };
};
const list = async (path: string): Promise<List> => (await ask(path)).body as List;

function reportOf(version: number): EvaluationReport {
  const mean = { mean: 0.5, n: 8, ci95: [0.2, 0.8] } as const;
  return {
    id: newId('eval'),
    version,
    taskSet: 'g1:x',
    setting: { tools: true, temperature: 0.7, samples: 2 },
    numbers: {
      ...{ tasks: 8, unanswered: 0, right: mean, passAt: [{ k: 2, ...mean }], processLabels: { critic: mean } },
      ...{ goodSteps: mean, goodTrajectories: mean, toolCallRate: mean, parseFailures: mean },
      ...{ stepsATrajectory: mean, tokensAStep: mean, tokensATrajectory: mean },
    },
    createdAt: Date.now(),
  };
}

beforeAll(async () => {
  gateway = await startWhole({
    script: inTurn(
      { calls: [{ name: 'calculator', arguments: '{"expression":"1+1"}' }] },
      { text: 'It is 2.' },
      { text: 'a' },
    ),
  });
  const { db } = gateway.store;
  for (let at = 0; at < 5; at += 1) {
    await gateway.client.chat.completions.create({ model: 'gyre', messages: [{ role: 'user', content: `q${at}` }] });
    await ask('/gyre/v1/cycles', 'POST');
    saveReport(db, GYRE_POLICY, reportOf(at));
    if (at > 0)
      saveVersion(db, GYRE_POLICY, {
        version: at + 1,
        kind: 'trained',
        parent: at,
        batchId: `bat-${at + 1}`,
        metrics: {},
        createdAt: Date.now(),
      });
  }
  trajectory = gateway.logged[0]?.trajectoryId ?? '';
  step = gateway.logged[0]?.steps[0]?.id ?? '';
  saveSamples(db, GYRE_POLICY, [
    {
      id: 'smp-1',
      cycleId: 'cyc-1',
      stepId: step,
      policyVersion: 0,
      text: 'drawn',
      calls: [{ id: 'call-1', name: 'calculator', arguments: '{}' }],
      promptTokenIds: [1, 2],
      tokenIds: [4],
      logprobs: [-1],
      temperature: 1,
      cut: false,
      createdAt: Date.now(),
    },
  ]);
  saveVerdicts(
    db,
    (['step', 'sample'] as const).map((kind) => ({
      id: newId('vrd'),
      subjectKind: kind,
      subjectId: kind === 'step' ? step : 'smp-1',
      judge: 'rule',
      judgeVersion: '1',
      score: 1,
      good: true,
      rationale: 'right',
      createdAt: Date.now(),
    })),
  );
  const tree = { tokens: [], parent: [] };
  const batch = { batch_id: 'bat-1', base_version: 0, target_version: 1, tree } as unknown as Parameters<
    typeof saveBatch
  >[3];
  saveBatch(db, GYRE_POLICY, 'cyc-1', batch, [{ itemId: 'smp-1', stepId: step, advantage: 0.5 }]);
  decide(db, GYRE_POLICY, {
    kind: 'gate',
    version: 3,
    against: 1,
    passed: false,
    reason: 'worse',
    numbers: { tasks: 4 },
  });
  await ask('/v1/feedback', 'POST', {
    response_id: gateway.logged[0]?.opening.responseId,
    value: true,
    comment: 'yes',
  });
});
afterAll(async () => gateway.close());

describe.each([
  ['/gyre/v1/trajectories', 'id', undefined],
  ['/gyre/v1/cycles', 'id', undefined],
  ['/gyre/v1/evaluations', 'id', undefined],
  ['/gyre/v1/versions', 'version', [5, 4, 3, 2, 1]],
])('the list %s', (path, id, order) => {
  const idsOf = ({ data }: List): unknown[] => data.map((row) => row[id]);

  it('gives five rows by two, newest first, without loss or repetition', async () => {
    const all = idsOf(await list(path));
    expect(all).toHaveLength(5);
    expect(all).toEqual(order ?? [...all].sort().reverse());
    const pages: unknown[][] = [];
    for (let after = ''; ;) {
      const page = await list(`${path}?limit=2${after}`);
      pages.push(idsOf(page));
      if (!page.has_more) break;
      after = `&after=${String(pages.at(-1)?.at(-1))}`;
    }
    expect(pages).toEqual([all.slice(0, 2), all.slice(2, 4), all.slice(4)]);
  });

  it('has no more behind a page that ends with its last row, and nothing behind that', async () => {
    const { data, has_more: more } = await list(`${path}?limit=5`);
    expect([data.length, more]).toEqual([5, false]);
    expect(await list(`${path}?after=${String(data.at(-1)?.[id])}`)).toEqual({ data: [], has_more: false });
  });

  it.each(['0', '201', '-1', '1.5', 'many', '', '1e2', '0x10', '05', '5.0'])(
    'refuses %j as "limit" in the same words',
    async (limit) => {
      expect(await ask(`${path}?limit=${limit}`)).toEqual({
        status: 400,
        body: {
          error: {
            message: `"limit" must be a whole number from 1 to 200, not "${limit}".`,
            type: 'invalid_request_error',
            param: 'limit',
            code: 'invalid_value',
          },
        },
      });
    },
  );

  it.each(['limti', 'befor', 'offset'])('refuses %j, which is no parameter, by its name', async (name) => {
    const { status, body } = await ask(`${path}?${name}=5`);
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: { param: name, code: 'unknown_parameter' } });
    expect(JSON.stringify(body)).toMatch(/may be meant\. There are limit, after/);
  });

  it.each(['nothing', '99', '01', '-1', '1e0', '9'.repeat(40), ''])(
    'refuses %j, which is no id of it, as "after" in the same words',
    async (after) => {
      expect(await ask(`${path}?after=${after}`)).toEqual({
        status: 400,
        body: {
          error: {
            message: `"after" must be an id of this list, not "${after}".`,
            type: 'invalid_request_error',
            param: 'after',
            code: 'invalid_value',
          },
        },
      });
    },
  );
});

it('a page may begin behind a conversation that is deleted meanwhile', async () => {
  await gateway.client.chat.completions.create({ model: 'gyre', messages: [{ role: 'user', content: 'forget me' }] });
  const gone = gateway.logged.at(-1)?.trajectoryId ?? '';
  expect((await ask(`/gyre/v1/trajectories?after=${gone}`)).status).toBe(200);
  const before = await list(`/gyre/v1/trajectories?after=${gone}`);
  await ask(`/gyre/v1/trajectories/${gone}`, 'DELETE');
  expect(await list(`/gyre/v1/trajectories?after=${gone}`)).toEqual(before);
});

describe('every body', () => {
  /** By the route, with the name of its shape. What changes something comes last. */
  const bodies = async (): Promise<readonly (readonly [string, keyof typeof SHAPES, unknown])[]> => {
    const [cycle] = (await list('/gyre/v1/cycles')).data;
    const asked: [method: string, shape: keyof typeof SHAPES, path: string, body?: unknown][] = [
      ['GET', 'TrajectoryList', 'trajectories'],
      ['GET', 'Trajectory', `trajectories/${trajectory}`],
      ['GET', 'Step', `steps/${step}`],
      ['GET', 'Status', 'status'],
      ['GET', 'VersionList', 'versions'],
      ['GET', 'CycleList', 'cycles'],
      ['GET', 'EvaluationList', 'evaluations'],
      ['GET', 'Cycle', `cycles/${String(cycle?.['id'])}`],
      ['POST', 'Cycle', 'cycles'],
      ['POST', 'Decision', 'versions/1/promote'],
      ['POST', 'Version', 'rollback'],
      ['POST', 'Version', 'restart', { version: 1 }],
      ['GET', 'VersionList', 'versions'],
      ['DELETE', 'Removal', `trajectories/${trajectory}`],
      ['GET', 'Deletion', `deletions/${trajectory}`],
    ];
    const told: (readonly [string, keyof typeof SHAPES, unknown])[] = [];
    for (const [method, shape, path, sent] of asked) {
      const { status, body } = await ask(`/gyre/v1/${path}`, method, sent);
      expect(status, `${method} ${path}: ${JSON.stringify(body)}`).toBeLessThan(300);
      told.push([`${method} ${path}`, shape, body]);
    }
    return told;
  };
  let all: Awaited<ReturnType<typeof bodies>>;
  beforeAll(async () => void (all = await bodies()));

  /** Every key with its value, wherever it stands; what a user, a client or a tool named is its own. */
  const keys = (value: unknown): (readonly [string, unknown])[] =>
    typeof value !== 'object' || value === null
      ? []
      : Object.entries(value).flatMap(([key, inner]) => [
          ...(Array.isArray(value) ? [] : [[key, inner] as const]),
          ...(['parameters', 'arguments', 'metadata'].includes(key) ? [] : keys(inner)),
        ]);

  it('is spelled without capitals', () => {
    for (const [where, , body] of all) {
      expect(keys(body).length, where).toBeGreaterThan(0);
      expect(
        keys(body)
          .map(([key]) => key)
          .filter((key) => /[A-Z]/.test(key)),
        where,
      ).toEqual([]);
    }
  });

  it('has its times in whole seconds', () => {
    const times = all.flatMap(([, , body]) => keys(body).filter(([key]) => /^(created|started|updated)_at$/.test(key)));
    expect(new Set(times.map(([key]) => key))).toEqual(new Set(['created_at', 'started_at', 'updated_at']));
    for (const [key, time] of times) {
      expect(Number.isInteger(time), key).toBe(true);
      expect(time, key).toBeGreaterThanOrEqual(BEGAN);
      expect(time, key).toBeLessThanOrEqual(BEGAN + 600);
    }
  });

  it('is what /openapi.json says, and nothing that it does not say', () => {
    for (const [where, shape, body] of all) {
      // Of what comes out, a schema says that there is no more.
      const schema = z.toJSONSchema(SHAPES[shape], { io: 'output', unrepresentable: 'any' });
      const strict = z.fromJSONSchema(schema);
      expect(strict.safeParse(body).error, where).toBeUndefined();
      if (typeof body === 'object') expect(strict.safeParse({ ...body, more: 1 }).success, where).toBe(false);
    }
  });

  it('tells a version, a decision and a cycle in the same words wherever it stands', () => {
    const at = (path: string): unknown => all.find(([where]) => where === path)?.[2];
    const versions = (at('GET versions') as List).data;
    const { lineage } = at(`GET steps/${step}`) as { lineage: { versions: object[]; decisions: object[] } };
    expect(lineage.versions).toMatchObject([
      { version: 1, kind: 'trained', parent: 0, batch_id: 'bat-1', copy_of: null },
      { version: 2 },
      { version: 3 },
      { version: 4 },
      { version: 5 },
    ]);
    for (const version of lineage.versions) expect(versions).toContainEqual(expect.objectContaining(version));
    const decided = versions.find(({ version }) => version === 3)?.['decisions'] as object[];
    expect(decided).toMatchObject([{ kind: 'gate', against: 1, passed: false }]);
    for (const decision of decided) expect(lineage.decisions).toContainEqual(decision);
    expect(at('POST rollback')).toMatchObject({ version: 6, kind: 'rollback', batch_id: null, copy_of: 0 });
    expect(at('POST restart')).toMatchObject({ version: 7, kind: 'restart', parent: 6, batch_id: null, copy_of: 1 });
    const after = all.findLast(([where]) => where === 'GET versions')?.[2] as List;
    expect(after.data[0]).toMatchObject({ version: 7, head: true, serving: false, decisions: [{ kind: 'restart' }] });
    expect((at('GET cycles') as List).data[0]).toEqual(
      at(`GET cycles/${String((at('GET cycles') as List).data[0]?.['id'])}`),
    );
  });
});

it.each([
  ['GET', '/gyre/v1/trajectories/none', 'trajectory_not_found', 'id'],
  ['DELETE', '/gyre/v1/trajectories/none', 'trajectory_not_found', 'id'],
  ['GET', '/gyre/v1/deletions/none', 'deletion_not_found', 'id'],
  ['GET', '/gyre/v1/steps/none', 'step_not_found', 'id'],
  ['GET', '/gyre/v1/cycles/none', 'cycle_not_found', 'id'],
  ['POST', '/gyre/v1/versions/99/promote', 'version_not_found', 'version'],
  ['GET', '/v1/models/none', 'model_not_found', 'model'],
])('%s %s is 404 %s', async (method, path, code, param) => {
  expect(await ask(path, method)).toMatchObject({ status: 404, body: { error: { code, param } } });
});

it.each([
  ['a version that there is not', { version: 99 }, 404, 'version_not_found'],
  ['none, though nothing is lost', {}, 409, 'nothing_lost'],
  ['what is no version', { version: 'x' }, 400, 'invalid_value'],
  ['a field that there is not', { from: 1 }, 400, 'invalid_value'],
])('starting again from %s is refused', async (_, body, status, code) => {
  expect(await ask('/gyre/v1/restart', 'POST', body)).toMatchObject({ status, body: { error: { code } } });
});
