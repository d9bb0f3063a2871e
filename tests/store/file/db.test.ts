import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import Database from 'better-sqlite3';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import { expect, test } from 'vitest';

import { GyreError } from '../../../src/core/errors.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { type Hash, sha256 } from '../../../src/core/text/hash.js';
import { type Db, openStore } from '../../../src/store/file/db.js';
import { nextLedgerRow } from '../../../src/store/file/ledger.js';
import { changeKey } from '../../../src/store/keys/keys.js';
import { batchOf } from '../../../src/store/learning/batches.js';
import { claim, claimed } from '../../../src/store/learning/claims.js';
import { cyclesOf } from '../../../src/store/learning/cycles.js';
import { decide, headVersion, servingVersion } from '../../../src/store/learning/decisions.js';
import { evaluationOf } from '../../../src/store/learning/evaluations.js';
import { groupsOf } from '../../../src/store/learning/groups.js';
import { samplesOf } from '../../../src/store/learning/samples.js';
import { allVersions } from '../../../src/store/learning/versions.js';
import { weightsRemoved } from '../../../src/store/learning/weights.js';
import { openLog } from '../../../src/store/log/log.js';
import { deletionOf } from '../../../src/store/read/deletion.js';
import { readTrajectory } from '../../../src/store/read/trajectories.js';
import * as schema from '../../../src/store/file/schema.js';
import { verify } from '../../../src/store/proof/verify.js';
import { answer, opened, opening, temporaryFolder, user } from '../fixture.js';
import { knownKeyring } from '../../run/rows.js';

const MIGRATIONS = readMigrationFiles({
  migrationsFolder: join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'migrations'),
});

function refusal(folder: string): string {
  try {
    openStore(folder).close();
  } catch (thrown) {
    if (thrown instanceof GyreError && thrown.code === 'operator_error') return thrown.message;
    throw thrown;
  }
  return 'opened';
}

test('a new folder gets its file, its tables and its settings', () => {
  const { store } = opened(join(temporaryFolder(), 'deep', 'down'));
  const pragma = (name: string): unknown => store.sqlite.pragma(name, { simple: true });
  expect([
    pragma('journal_mode'),
    pragma('synchronous'),
    pragma('foreign_keys'),
    pragma('secure_delete'),
    pragma('busy_timeout'),
  ]).toEqual(['wal', 1, 1, 1, 5000]);
  expect(
    store.sqlite
      .prepare(
        `SELECT count(*) AS n FROM sqlite_master WHERE type = 'table' AND name IN ('steps', 'messages', 'ledger')`,
      )
      .get(),
  ).toEqual({ n: 3 });
});

test('opening twice applies nothing twice', () => {
  const folder = temporaryFolder();
  openStore(folder).close();
  const { store } = opened(folder);
  expect(store.sqlite.prepare('SELECT count(*) AS n FROM __drizzle_migrations').get()).toEqual({
    n: MIGRATIONS.length,
  });
  store.close();
  store.close();
});

test('a file that is no database is named, and what to do', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'gyre.db'), 'not a database at all, but long enough to be taken for one'.repeat(100));
  expect(refusal(folder)).toMatch(/gyre\.db" is not a Gyre database .*--data DIR/);
});

test('a database of another build, newer or different, is refused untouched', () => {
  const folder = temporaryFolder();
  const { store } = opened(folder);
  store.sqlite.exec(`INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('later', 9999999999999)`);
  expect(refusal(folder)).toMatch(
    new RegExp(
      `was written by a newer Gyre \\(${MIGRATIONS.length + 1} migrations, this build knows ${MIGRATIONS.length}\\)`,
    ),
  );
  store.sqlite.exec(
    `DELETE FROM __drizzle_migrations WHERE hash = 'later'; UPDATE __drizzle_migrations SET hash = 'other'`,
  );
  expect(refusal(folder)).toMatch(/written by another build of Gyre \(migration 0 differs\)/);
});

test('a folder that cannot be made or written is named, and what to do', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'taken'), '');
  expect(refusal(join(folder, 'taken'))).toMatch(/cannot write to the data folder ".*taken" .*--data DIR/);
  mkdirSync(join(folder, 'odd', 'gyre.db'), { recursive: true });
  expect(refusal(join(folder, 'odd'))).toMatch(/cannot write to the data folder/);
});

test.skipIf(process.getuid?.() === 0)('a folder without write permission is named', () => {
  const folder = temporaryFolder();
  execFileSync('chmod', ['500', folder]);
  expect(refusal(folder)).toMatch(/cannot write to the data folder/);
});

test('bringing a large database up to date is told of, change by change, and a small one is not', () => {
  const old = (bytes: number): string => {
    const folder = temporaryFolder();
    const db = new Database(join(folder, 'gyre.db'));
    db.exec('CREATE TABLE __drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)');
    for (const migration of MIGRATIONS.slice(0, 5)) {
      for (const statement of migration.sql) db.exec(statement);
      db.prepare('INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)').run(
        migration.hash,
        migration.folderMillis,
      );
    }
    db.exec(`CREATE TABLE ballast (bytes blob); INSERT INTO ballast VALUES (zeroblob(${bytes}))`);
    db.close();
    return folder;
  };
  const told: string[] = [];
  const tell = (what: string): void => void told.push(what);
  const large = old(70_000_000);
  openStore(large, tell).close();
  expect(told[0]).toMatch(/gyre\.db" \(0\.1 GiB\) is of an earlier version .* in one transaction/);
  expect(told.filter((line) => line.includes(`change 1 of ${MIGRATIONS.length - 5}, statement 1 of`))).toHaveLength(1);
  expect(told.at(-1)).toMatch(/it is up to date, after/);
  told.length = 0;
  openStore(large, tell).close(); // is up to date
  openStore(old(1_000), tell).close();
  openStore(temporaryFolder(), tell).close();
  expect(told).toEqual([]);
});

test('a new file gives back what is free in it; one of an earlier version is not written to when it is opened', () => {
  const folder = temporaryFolder();
  const { store } = opened(folder);
  expect(store.sqlite.pragma('auto_vacuum', { simple: true })).toBe(2);
  const lock = new Database(store.file);
  lock.exec('BEGIN IMMEDIATE');
  openStore(folder).close();
  lock.exec('ROLLBACK');
  lock.close();
});

test('a database of every earlier shape is brought to this one, and its rows mean what they meant', async () => {
  for (let known = 1; known <= MIGRATIONS.length; known += 1) {
    const folder = temporaryFolder();
    const old = new Database(join(folder, 'gyre.db'));
    old.exec('CREATE TABLE __drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)');
    for (const migration of MIGRATIONS.slice(0, known)) {
      for (const statement of migration.sql) old.exec(statement);
      old
        .prepare('INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)')
        .run(migration.hash, migration.folderMillis);
    }
    old
      .prepare(`INSERT INTO keys (id, name, role, hash, train, created_at) VALUES ('key-1', 'ada', 'client', ?, 0, 7)`)
      .run(sha256('gyre_sk_old'));
    // What an earlier build wrote is what this one writes, less a column that is null.
    if (known < 3) old.exec('ALTER TABLE steps ADD client_key text');
    if (known < 4) old.exec('ALTER TABLE responses ADD asked text');
    if (known < 5) for (const column of ['native', 'told']) old.exec(`ALTER TABLE steps ADD ${column} text`);
    if (known < 6) old.exec('ALTER TABLE ledger ADD writer text; ALTER TABLE ledger ADD answers integer');
    if (known < 7) old.exec('CREATE TABLE prunings (id text)');
    if (known < 16) old.exec('ALTER TABLE steps ADD calls_allowed integer');
    const answered = await answer(
      openLog({ file: '', sqlite: old, db: drizzle({ client: old, schema }), close: () => undefined }),
      opening([user('q')]),
      [{ text: 'a', prompt: [1, 2], ids: [3] }],
    );
    expect(answered.kept).toBe(true);
    learn(old, known, answered.steps[0]?.id ?? '');
    if (known < 3) old.exec('ALTER TABLE steps DROP COLUMN client_key');
    if (known < 4) old.exec('ALTER TABLE responses DROP COLUMN asked');
    if (known < 5) for (const column of ['native', 'told']) old.exec(`ALTER TABLE steps DROP COLUMN ${column}`);
    if (known < 6) old.exec('ALTER TABLE ledger DROP COLUMN writer; ALTER TABLE ledger DROP COLUMN answers');
    if (known < 7) old.exec('DROP TABLE prunings');
    if (known < 16) old.exec('ALTER TABLE steps DROP COLUMN calls_allowed');
    old.close();

    const { store, log } = opened(folder);
    expect(store.sqlite.prepare('SELECT count(*) AS n FROM __drizzle_migrations').get()).toEqual({
      n: MIGRATIONS.length,
    });
    expect((await knownKeyring(store.db)).find('gyre_sk_old')).toEqual({
      id: 'key-1',
      name: 'ada',
      role: 'client',
      train: false,
      createdAt: 7,
    });
    expect(changeKey(store.db, 'ada', { limits: { concurrent: 2 } })).toMatchObject({
      id: 'key-1',
      limits: { concurrent: 2 },
    });
    expect(readTrajectory(store.db, answered.recording.trajectoryId)).toMatchObject({
      response_id: answered.opening.responseId,
      outcome: 'completed',
      steps: [{ action: 'a', prompt_token_ids: [1, 2], token_ids: [3] }],
    });
    expect(
      (
        await answer(
          log,
          opening([user('q'), answered.turn, user('more')], { asker: { keyId: 'key-1', consent: true } }),
          [{ text: 'b' }],
        )
      ).kept,
    ).toBe(true);
    expect(learned(store.db, GYRE_POLICY)).toEqual({
      versions: [1, 2],
      serving: 1,
      head: 2,
      cycles: known < 16 ? ['cyc-2', 'cyc-1'] : ['cyc-1'],
      batch: 'bat-1',
      samples: [answered.steps[0]?.id],
      claimed: [answered.steps[0]?.id],
      evaluated: true,
      removed: known < 7 ? [] : [1],
      deleted: [1, 2],
    });
    expect(groupsOf(store.db, GYRE_POLICY, 'cyc-2').map(({ outcome, drawn }) => [outcome, drawn])).toEqual(
      known < 16 ? [['drawn', 1]] : [],
    );
    expect(learned(store.db, 'other')).toEqual(NOTHING);
    const again = (policy: string): string[] =>
      claim(store.db, policy, 'cyc-2', 'resample', [{ stepId: answered.steps[0]?.id ?? '', same: [] }]);
    expect([again(GYRE_POLICY).length, again('other').length]).toEqual([0, 1]);
    decide(store.db, GYRE_POLICY, { ...DECIDED, against: 1, version: 2 });
    expect(verify(store.db)).toMatchObject({ ok: true, counts: { steps: 2, decisions: 2 } });
  }
});

test('the head of an earlier build is where its rows moved it last', () => {
  const heads = MIGRATIONS.findIndex(({ sql }) => sql.join().includes('CREATE TABLE `head_moves`'));
  const cases: [head: number, versions: [number, number][], moves: [string, number, number][]][] = [
    [0, [], []],
    [
      2,
      [
        [1, 1],
        [2, 2],
      ],
      [],
    ],
    [
      1,
      [
        [1, 1],
        [2, 2],
      ],
      [['head_reset', 1, 3]],
    ],
    // Of one moment the decision is the later one.
    [
      3,
      [
        [1, 1],
        [2, 5],
      ],
      [['rollback', 3, 5]],
    ],
    [
      4,
      [
        [1, 1],
        [4, 9],
      ],
      [
        ['rollback', 3, 5],
        ['promotion', 1, 10],
      ],
    ],
  ];
  for (const [head, trained, moves] of cases) {
    const folder = temporaryFolder();
    const old = new Database(join(folder, 'gyre.db'));
    old.exec('CREATE TABLE __drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)');
    for (const { sql, hash, folderMillis } of MIGRATIONS.slice(0, heads)) {
      for (const statement of sql) old.exec(statement);
      old.prepare('INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)').run(hash, folderMillis);
    }
    const add = old.prepare(`INSERT INTO versions (version, kind, metrics, created_at) VALUES (?, 'trained', '{}', ?)`);
    for (const version of trained) add.run(...version);
    const decided = old.prepare(
      `INSERT INTO decisions (id, kind, version, created_at, passed, reason, numbers) VALUES (?, ?, ?, ?, 1, '', '{}')`,
    );
    moves.forEach((move, at) => decided.run(`dec-${at}`, ...move));
    old.close();
    expect(headVersion(opened(folder).store.db, GYRE_POLICY)).toBe(head);
  }
});

const DECIDED = { kind: 'promotion', version: 1, against: 0, passed: true, reason: 'better', numbers: {} } as const;

/** Rows of the learning clock as an earlier build wrote them, which knew of no policy but one. */
function learn(old: Database.Database, known: number, stepId: string): void {
  const batch = JSON.stringify({ batch_id: 'bat-1', tree: { tokens: [], parent: [] }, actions: [] });
  const sample = JSON.stringify({ text: 'a', calls: [], temperature: 1, cut: false });
  const add = (table: string, row: Readonly<Record<string, string | number | Buffer>>): void => {
    const columns = Object.keys(row);
    old
      .prepare(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`)
      .run(...Object.values(row));
  };
  add('cycles', {
    ...{ id: 'cyc-1', state: 'done', stage: 'promote', mode: 'resample', filter: 'prefix', base_version: 0 },
    ...{ counts: '{}', note: '', started_at: 1, updated_at: 1 },
  });
  add('cycle_steps', { step_id: stepId, mode: 'resample', cycle_id: 'cyc-1' });
  // A cycle that was stopped between drawing and its batch goes on with what it drew.
  if (known < 16) {
    add('cycles', {
      ...{ id: 'cyc-2', state: 'running', stage: 'resample', mode: 'resample', filter: 'prefix', base_version: 0 },
      ...{ counts: '{}', note: '', started_at: 2, updated_at: 2 },
    });
    add('samples', {
      ...{ id: 'smp-2', cycle_id: 'cyc-2', step_id: stepId, policy_version: 0, body: sample },
      ...{ prompt_token_ids: Buffer.alloc(4), token_ids: Buffer.alloc(4), logprobs: Buffer.alloc(4), created_at: 1 },
    });
  }
  add('samples', {
    ...{ id: 'smp-1', cycle_id: 'cyc-1', step_id: stepId, policy_version: 0, body: sample },
    ...{ prompt_token_ids: Buffer.alloc(4), token_ids: Buffer.alloc(4), logprobs: Buffer.alloc(4), created_at: 1 },
  });
  add('batches', {
    ...{ id: 'bat-1', cycle_id: 'cyc-1', state: 'applied', base_version: 0, target_version: 1, body: batch },
    ...{ note: '', created_at: 1, updated_at: 1 },
  });
  add('batch_items', { batch_id: 'bat-1', item_id: 'smp-1', step_id: stepId, advantage: 1 });
  add('versions', { version: 1, kind: 'trained', parent: 0, batch_id: 'bat-1', metrics: '{}', created_at: 1 });
  add('versions', { version: 2, kind: 'trained', parent: 1, batch_id: 'bat-2', metrics: '{}', created_at: 2 });
  add('evaluations', { id: 'evl-1', version: 1, task_set: 'set', results: '[]', created_at: 1 });
  if (old.prepare(`SELECT 1 FROM sqlite_master WHERE name = 'head_moves'`).get() !== undefined)
    for (const version of [1, 2]) add('head_moves', { version, kind: 'trained', created_at: version });
  if (known >= 7) add('removed_weights', { version: 1, reason: 'old', created_at: 1 });
  const ledgered = {
    decisions: {
      ...{ against: 0, created_at: 5, id: 'dec-1', kind: 'promotion', numbers: '{}', passed: 1, reason: 'better' },
      ...{ version: 1 },
    },
    deletions: {
      ...{ batches: '["bat-1"]', created_at: 6, id: 'del-traj-gone', rows: '[]', trajectory_id: 'traj-gone' },
      ...{ versions: '[1]' },
    },
    ...(known < 9
      ? {}
      : {
          deletion_versions: {
            ...{ batch_id: 'bat-1', created_at: 7, deletion_id: 'del-traj-gone', id: 'del-traj-gone:1', version: 1 },
          },
        }),
  };
  for (const [table, row] of Object.entries(ledgered)) {
    add(table, row);
    const last = old
      .prepare<[], { seq: number; hash: Hash }>('SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1')
      .get();
    const hash = sha256(JSON.stringify([table, ...Object.entries(row).flat()]));
    const { seq, at, entries, prev, hash: own } = nextLedgerRow(last, 8, [[table, row.id, hash]]);
    add('ledger', { seq, at, entries, prev, hash: own });
  }
}

const NOTHING = {
  ...{ versions: [], serving: 0, head: 0, cycles: [], batch: undefined, samples: [], claimed: [] },
  ...{ evaluated: false, removed: [], deleted: [] },
};

/** What the rows of {@link learn} mean to a policy. */
function learned(db: Db, policy: string): Readonly<Record<string, unknown>> {
  return {
    versions: allVersions(db, policy).map(({ version }) => version),
    serving: servingVersion(db, policy),
    head: headVersion(db, policy),
    cycles: cyclesOf(db, policy, 10).map(({ id }) => id),
    batch: batchOf(db, policy, 'cyc-1')?.id,
    samples: samplesOf(db, policy, 'cyc-1').map(({ stepId }) => stepId),
    claimed: claimed(db, policy, 'cyc-1').map(({ stepId }) => stepId),
    evaluated: evaluationOf(db, policy, 1, 'set') !== undefined,
    removed: [...weightsRemoved(db, policy).keys()],
    deleted: deletionOf(db, policy, 'traj-gone')?.versions,
  };
}
