/** Backup and restore as an operator meets them: the compiled command line, beside a gateway that answers. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';

import { startEngine } from '../../fakes/engine.js';
import { gyre, MAIN } from '../command.js';

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'gyre-backup-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

interface Serving {
  readonly ask: (words: string) => Promise<string>;
  readonly stop: () => Promise<void>;
}

async function serve(data: string): Promise<Serving> {
  const engine = await startEngine();
  const child: ChildProcess = spawn(
    process.execPath,
    [MAIN, 'serve', '--data', data, '--port', '0', '--engine', engine.url],
    { cwd: data, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  let url = '';
  if (child.stdout === null) throw new Error('it has no output');
  for await (const line of createInterface({ input: child.stdout })) {
    url = /^ready (.*)$/.exec(line)?.[1] ?? '';
    if (url !== '') break;
  }
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill();
      await once(child, 'exit');
    }
    await engine.close();
  };
  onTestFinished(stop);
  return {
    stop,
    async ask(words) {
      const answer = await fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'gyre', messages: [{ role: 'user', content: words }] }),
      });
      expect(answer.status).toBe(200);
      return ((await answer.json()) as { readonly id: string }).id;
    },
  };
}

const responsesIn = (data: string): string[] => {
  const db = new Database(join(data, 'gyre.db'), { readonly: true });
  try {
    return db
      .prepare<[], { id: string }>('SELECT id FROM responses ORDER BY id')
      .all()
      .map(({ id }) => id);
  } finally {
    db.close();
  }
};

test('what was acknowledged when it was called is in it, committed or not, and a restored folder goes on', async () => {
  const [data, to] = [folder(), folder()];
  const gateway = await serve(data);
  const asked = [await gateway.ask('one'), await gateway.ask('two')];
  // From now on nothing can be committed: what is answered is in the gateway's intake.
  const lock = new Database(join(data, 'gyre.db'));
  lock.exec('BEGIN IMMEDIATE');
  asked.push(await gateway.ask('three'), await gateway.ask('four'));
  const file = join(to, 'gyre.backup');
  const made = await gyre('backup', file, '--data', data, '--json');
  expect(made).toMatchObject({ code: 0 });
  expect(JSON.parse(made.out)).toMatchObject({ file, missing: [] });
  lock.exec('ROLLBACK');
  lock.close();
  await gateway.ask('five');

  expect(await gyre('restore', file, '--data', data)).toMatchObject({
    code: 1,
    err: expect.stringContaining('a gateway (process') as string,
  });
  const fresh = join(to, 'data');
  // A backup that others may read does not make a folder that is there, and that they may look into, readable.
  chmodSync(file, 0o644);
  mkdirSync(fresh, { mode: 0o755 });
  expect(await gyre('restore', file, '--data', fresh)).toMatchObject({ code: 0 });
  const modes = readdirSync(fresh).map((name) => [name, statSync(join(fresh, name)).mode & 0o077]);
  expect(modes.filter(([, others]) => others !== 0)).toEqual([]);
  expect(responsesIn(fresh)).toEqual([...asked].sort());
  expect(readFileSync(join(fresh, 'secret'))).toEqual(readFileSync(join(data, 'secret')));
  expect((await gyre('verify', '--data', fresh)).out).toContain('the log is whole');

  await gateway.stop();
  const again = await serve(fresh);
  await again.ask('six');
  await again.stop();
  expect(responsesIn(fresh)).toHaveLength(5);
  expect((await gyre('verify', '--data', fresh)).out).toContain('the log is whole');
}, 120_000);

test('the weights that are needed to go on are in it, and those that lie elsewhere are named', async () => {
  const [data, to] = [folder(), folder()];
  expect((await gyre('status', '--data', data)).code).toBe(0);
  const db = new Database(join(data, 'gyre.db'));
  for (const version of [1, 2, 3, 4, 5, 6, 7])
    db.prepare(`INSERT INTO versions VALUES ('gyre', ?, 'trained', ?, ?, NULL, '{}', ?)`).run(
      version,
      version - 1,
      `bat-${version}`,
      version,
    );
  db.exec(`INSERT INTO decisions VALUES ('dec-1', 'promotion', 2, 0, 1, 'better', '{}', 1, NULL)`);
  db.close();
  for (const version of [1, 2, 3, 4, 5, 7]) {
    const adapter = join(data, 'adapters', `gyre-v00000${version}`);
    mkdirSync(adapter, { recursive: true });
    // Larger than one row may be.
    writeFileSync(join(adapter, 'adapter_model.safetensors'), Buffer.alloc(version === 7 ? 20_000_000 : 10, version));
    writeFileSync(join(adapter, 'STABLE'), '');
  }
  mkdirSync(join(data, 'trainer', 'state', '00000007'), { recursive: true });
  writeFileSync(join(data, 'trainer', 'state', '00000007', 'head.json'), '{}');
  const file = join(to, 'b');
  const made = await gyre('backup', file, '--data', data);
  expect(made.out).toContain('NOT in it are the weights of version 6');
  const fresh = join(to, 'data');
  // The folder of the decision that was written by hand is not in the ledger: it is restored as it was.
  expect(await gyre('restore', file, '--data', fresh)).toMatchObject({ code: 0 });
  const has = (path: string): boolean => existsSync(join(fresh, path));
  expect([1, 2, 3, 4, 5, 7].filter((version) => has(`adapters/gyre-v00000${version}/STABLE`))).toEqual([2, 4, 5, 7]);
  const large = readFileSync(join(fresh, 'adapters/gyre-v000007/adapter_model.safetensors'));
  expect(large.equals(Buffer.alloc(20_000_000, 7))).toBe(true);
  expect(has('trainer/state/00000007/head.json')).toBe(true);

  expect((await gyre('backup', join(to, 'c'), '--no-weights', '--data', data)).code).toBe(0);
  expect((await gyre('restore', join(to, 'c'), '--data', join(to, 'bare'))).code).toBe(0);
  expect(existsSync(join(to, 'bare', 'adapters'))).toBe(false);
}, 120_000);

test('nothing is overwritten unless told, and then it is put aside', async () => {
  const [data, to] = [folder(), folder()];
  const file = join(to, 'b');
  expect((await gyre('keys', 'add', 'ada', '--data', data)).code).toBe(0);
  expect((await gyre('backup', file, '--data', data)).code).toBe(0);
  expect((await gyre('backup', file, '--data', data)).err).toContain('never overwrites a file');
  expect((await gyre('keys', 'add', 'bob', '--data', data)).code).toBe(0);
  expect((await gyre('restore', file, '--data', data)).err).toContain('holds a log already');
  expect((await gyre('keys', 'list', '--data', data)).out).toContain('bob');
  const replaced = await gyre('restore', file, '--replace', '--data', data, '--json');
  const { before } = JSON.parse(replaced.out) as { readonly before: string };
  expect((await gyre('keys', 'list', '--data', data)).out).not.toContain('bob');
  expect((await gyre('keys', 'list', '--data', before)).out).toContain('bob');
}, 120_000);

test('what is no backup, or a damaged one, is refused, and the folder stays as it was', async () => {
  const [data, to] = [folder(), folder()];
  const file = join(to, 'b');
  writeFileSync(join(data, 'secret'), Buffer.alloc(32, 1));
  expect((await gyre('backup', file, '--data', data)).code).toBe(0);
  const fresh = join(to, 'data');
  expect((await gyre('restore', join(data, 'gyre.db'), '--data', fresh)).err).toContain('is no backup');
  expect((await gyre('restore', join(to, 'none'), '--data', fresh)).err).toContain('there is no file');
  const db = new Database(file);
  db.exec(`UPDATE backup_files SET bytes = x'00' WHERE path = 'secret'`);
  db.close();
  expect((await gyre('restore', file, '--data', fresh)).err).toContain('"secret" is not as it was written');
  expect(existsSync(join(fresh, 'gyre.db'))).toBe(false);
  const other = new Database(file);
  other.exec(`DELETE FROM backup_files; INSERT INTO backup_files VALUES ('../../out', 0, x'', '')`);
  other.close();
  expect((await gyre('restore', file, '--data', fresh)).code).toBe(1);
  const newer = new Database(file);
  newer.exec(`UPDATE backup_info SET format = 'gyre.backup/9'`);
  newer.close();
  expect((await gyre('restore', file, '--data', fresh)).err).toContain('gyre.backup/9');
}, 120_000);
