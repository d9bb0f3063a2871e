/** Filters of the list of trajectories, alone, together and in pages; and what is refused of them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { TrajectoryListing, TrajectorySummary } from '../../../src/core/reading.js';
import { saveTasks } from '../../../src/store/learning/tasks.js';
import { saveVerdicts } from '../../../src/store/learning/verdicts.js';
import type { Task } from '../../../src/core/learning/task.js';
import { type EngineRequest, type Reply } from '../../fakes/engine.js';
import { type Gateway, startGateway } from '../../fakes/gateway.js';

let gateway: Gateway;
let root: Record<string, string>;
let ann: Record<string, string>;
let bob: Record<string, string>;
let annId = '';
/** Ids by what was asked. */
const ids: Record<string, string> = {};

const reply = ({ body }: EngineRequest): Reply => {
  const asked = JSON.stringify(body.messages.at(-1)?.content);
  if (asked.includes('break')) return { status: 500, body: '{}' };
  return { text: `You said ${asked}` };
};

async function ask(headers: Record<string, string>, content: string, more: object = {}): Promise<string> {
  const response = await gateway.post({ model: 'gyre', messages: [{ role: 'user', content }], ...more }, { headers });
  const { id = '' } = (await response.json()) as { id?: string };
  ids[content] = response.headers.get('x-gyre-trajectory') ?? '';
  return id;
}

async function read(query: string, headers = root): Promise<{ status: number; body: TrajectoryListing & Refused }> {
  const response = await fetch(`${gateway.url}/gyre/v1/trajectories?${query}`, { headers });
  return { status: response.status, body: (await response.json()) as never };
}
interface Refused {
  readonly error?: { readonly message: string; readonly param: string; readonly code: string; readonly type: string };
}
const names = async (query: string, headers = root): Promise<string[]> => {
  const { status, body } = await read(query, headers);
  expect(status, JSON.stringify(body)).toBe(200);
  return body.data.map((row) => (row as TrajectorySummary).question);
};

beforeAll(async () => {
  gateway = await startGateway({ script: reply });
  root = gateway.key('root', { role: 'admin' }).headers;
  const annKey = gateway.key('ann');
  ann = annKey.headers;
  annId = annKey.id;
  bob = gateway.key('bob').headers;
  const task = { id: 'task-1', messages: [{ role: 'user', content: 'of a task' }], split: 'train', metadata: {} };
  saveTasks(gateway.store.db, [task as unknown as Task]);
  const good = await ask(ann, 'Straße "nach" Ünna');
  await ask(ann, 'new version', { model: 'gyre@1' });
  await ask(ann, 'please break');
  await ask(bob, 'not for learning', { store: false });
  const bad = await ask(bob, 'something bad');
  await ask(bob, 'secret of bob');
  await ask(root, 'of a task', { metadata: { gyre_task: 'task-1' } });
  const rate = async (response: string, value: number, headers: Record<string, string>): Promise<void> => {
    const sent = { method: 'POST', headers, body: JSON.stringify({ response_id: response, value }) };
    expect((await fetch(`${gateway.url}/v1/feedback`, sent)).status).toBe(200);
  };
  await rate(good, 1, ann);
  await rate(bad, -1, bob);
  const verdict = (question: string, judge: string, said: boolean): object => ({
    id: `vrd-${question}-${judge}`,
    subjectKind: 'step',
    subjectId: gateway.logged.find(({ trajectoryId }) => trajectoryId === ids[question])?.steps.at(-1)?.id,
    judge,
    judgeVersion: '1',
    score: Number(said),
    good: said,
    rationale: '',
    createdAt: 1,
  });
  saveVerdicts(gateway.store.db, [
    verdict('of a task', 'well_formed', true),
    verdict('of a task', 'reference', false),
    verdict('new version', 'well_formed', true),
  ] as unknown as Parameters<typeof saveVerdicts>[1]);
});
afterAll(async () => gateway.close());

const ALL = [
  'of a task',
  'secret of bob',
  'something bad',
  'not for learning',
  'please break',
  'new version',
  'Straße "nach" Ünna',
];

describe('a filter', () => {
  it.each([
    ['version=1', ['new version']],
    ['version=7', []],
    ['version=0&outcome=completed', ALL.filter((name) => name !== 'new version' && name !== 'please break')],
    ['outcome=failed', ['please break']],
    ['outcome=incomplete', []],
    ['origin=live', ALL],
    ['origin=evaluate', []],
    ['key=bob', ['secret of bob', 'something bad', 'not for learning']],
    ['key=nobody', []],
    ['key=none', []],
    ['task=task-1', ['of a task']],
    ['task=other', []],
    // A rating is a verdict, too.
    ['good=true', ['new version', 'Straße "nach" Ünna']],
    ['good=false', ['of a task', 'something bad']],
    ['good=none&key=ann', ['please break']],
    ['feedback=good', ['Straße "nach" Ünna']],
    ['feedback=bad', ['something bad']],
    ['feedback=any', ['something bad', 'Straße "nach" Ünna']],
    ['feedback=none&key=ann', ['please break', 'new version']],
    ['trainable=false', ['not for learning', 'please break']],
    ['trainable=true&key=bob', ['secret of bob', 'something bad']],
    ['since=1h', ALL],
    ['until=1h', []],
    ['since=2020-01-01&until=2100-01-01T00:00:00Z', ALL],
    ['since=2100-01-01', []],
    [`until=${Math.floor(Date.now() / 1000) + 3600}`, ALL],
    ['q=secret', ['secret of bob']],
    [`q=${encodeURIComponent('STRASSE')}`, []],
    [`q=${encodeURIComponent('straße "NACH" ünna')}`, ['Straße "nach" Ünna']],
    [`q=${encodeURIComponent('U\u0308nna')}`, ['Straße "nach" Ünna']],
    ['q=you+said', ALL.filter((name) => name !== 'please break')],
    // Of how a message is written down nothing is found.
    ['q=assistant', []],
    ['q=content', []],
    ['q=expression', []],
    ['q=bad&feedback=bad&outcome=completed&trainable=true', ['something bad']],
    ['q=bad&feedback=good', []],
  ])('%s', async (query, expected) => {
    expect(await names(query)).toEqual(expected);
  });

  it('passes by key also by its id, and begins behind an id whatever it asks for', async () => {
    expect(await names(`key=${annId}`)).toEqual(['please break', 'new version', 'Straße "nach" Ünna']);
    expect(await names(`outcome=completed&after=${ids['please break'] ?? ''}`)).toEqual([
      'new version',
      'Straße "nach" Ünna',
    ]);
  });

  it.each(['', 'outcome=completed', 'q=said', 'version=0', 'feedback=none', 'key=bob', 'since=1h', 'trainable=true'])(
    'gives %j in pages without loss or repetition, as one page has it',
    async (query) => {
      const whole = await names(`${query}&limit=200`);
      for (const size of [1, 2, 3]) {
        const pages: string[] = [];
        for (let after = ''; ;) {
          const { body } = await read(`${query}&limit=${size}${after}`);
          expect(body.data.length).toBe(Math.min(size, whole.length - pages.length));
          for (const row of body.data) pages.push((row as TrajectorySummary).question);
          expect(body.next_after !== undefined).toBe(body.has_more);
          if (!body.has_more) break;
          after = `&after=${body.next_after ?? ''}`;
        }
        expect(pages).toEqual(whole);
      }
    },
  );
});

describe('to a key', () => {
  it.each(['', 'q=secret', 'q=of+bob', 'version=0', 'feedback=any', 'good=false', 'task=task-1', 'outcome=failed'])(
    'nothing of another is there, whatever it asks: %s',
    async (query) => {
      const { body } = await read(query, ann);
      expect(body.data.filter(({ key }) => key !== annId)).toEqual([]);
      expect(JSON.stringify(body)).not.toMatch(/bob|secret/);
    },
  );

  it('filters its own', async () => {
    expect(await names('feedback=any', bob)).toEqual(['something bad']);
    expect(await names('q=secret', bob)).toEqual(['secret of bob']);
  });

  it('is refused a filter by key, its own too', async () => {
    for (const key of ['bob', annId]) {
      const { status, body } = await read(`key=${key}`, ann);
      expect([status, body.error?.param, body.error?.code]).toEqual([403, 'key', 'insufficient_permissions']);
    }
  });
});

describe('refused', () => {
  it.each([
    ['version=x', 'version', '"x"'],
    ['version=-1', 'version', '"-1"'],
    ['version=1.0', 'version', 'number of a version'],
    ['version=', 'version', '""'],
    ['outcome=done', 'outcome', 'completed, incomplete, failed, cancelled'],
    ['origin=x', 'origin', 'live, generate, evaluate'],
    ['good=yes', 'good', 'true, false, none'],
    ['feedback=1', 'feedback', 'good, bad, any, none'],
    ['trainable=1', 'trainable', 'true, false'],
    ['since=yesterday', 'since', '"yesterday"'],
    ['since=2026-02-31', 'since', '"2026-02-31"'],
    ['since=2026-11-30T25:00:00Z', 'since', '2026-11-30T25'],
    ['until=2026-11-30T10:00:00', 'until', 'a date as'],
    ['since=2026-11-30&until=2026-11-29', 'until', '"2026-11-29"'],
    ['q=', 'q', '""'],
    ['q=%20', 'q', '" "'],
    [`q=${'x'.repeat(1_001)}`, 'q', '1000'],
    ['key=', 'key', '""'],
    ['task=', 'task', '""'],
    ['view=full', 'view', 'summary, client, policy'],
    ['view=client&include=ids', 'include', '"ids"'],
    ['include=tokens', 'include', 'summary'],
    ['outcome=failed&outcome=completed', 'outcome', '2 times'],
    ['limit=0', 'limit', '1 to 200'],
    ['after=x&outcome=failed', 'after', 'id of this list'],
  ])('%s', async (query, param, says) => {
    const { status, body } = await read(query);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ param, type: 'invalid_request_error', code: 'invalid_value' });
    expect(body.error?.message).toContain(says);
    expect(body.error?.message).toContain(`"${param}"`);
  });

  it('a name that is not known, with the one that may be meant', async () => {
    const { status, body } = await read('versoin=1');
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ param: 'versoin', code: 'unknown_parameter' });
    expect(body.error?.message).toContain('"version" may be meant');
    const one = await fetch(`${gateway.url}/gyre/v1/trajectories/${ids['of a task'] ?? ''}?views=policy`, {
      headers: root,
    });
    expect([one.status, ((await one.json()) as Refused).error?.param]).toEqual([400, 'views']);
  });
});
