import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { childEnvironment } from '../../src/run/child_environment.js';
import { alive, processOf, readProcess } from '../../src/core/running/process.js';
import { launchTrainer, type Launched } from '../../src/train/launch.js';

const FAKE = fileURLToPath(new URL('../fakes/trainer-process.mjs', import.meta.url));
type State = { readonly url: string } | { readonly down: string } | { readonly unsupported: string };

let data: string;
let journal: string;
let states: State[];
let heard: () => void;
let launched: Launched | undefined;

beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'gyre-launch-'));
  journal = join(data, 'journal');
  writeFileSync(journal, '');
  states = [];
  heard = () => undefined;
  chmodSync(FAKE, 0o755);
});

afterEach(async () => {
  await launched?.stop();
  launched = undefined;
  rmSync(data, { recursive: true, force: true });
});

function launch(mode: string, python = FAKE): Launched {
  launched = launchTrainer({
    python,
    args: [mode, journal],
    dataDir: data,
    env: { ...childEnvironment({ ...process.env, OPENAI_API_KEY: 'a-secret' }), GYRE_TRAINER_TOKEN: 'a-token' },
    changed: (state) => {
      states.push(state);
      heard();
    },
    pauses: { first: 20, longest: 40, stop: 300 },
  });
  return launched;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}

const urls = (): string[] => states.flatMap((state) => ('url' in state ? [state.url] : []));
const downs = (): string[] => states.flatMap((state) => ('down' in state ? [state.down] : []));
const refused = (): string[] => states.flatMap((state) => ('unsupported' in state ? [state.unsupported] : []));
const record = (): ReturnType<typeof readProcess> => readProcess(join(data, 'run', 'trainer.json'));
const lines = (): string[] => readFileSync(journal, 'utf8').trim().split('\n');

describe('the trainer process', () => {
  it('gets its token and what its libraries need by its environment, and nothing of it by its arguments', async () => {
    const trainer = launch('well');
    await until(() => urls().length === 1);
    const pid = record()?.pid ?? 0;
    const given = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    expect(given).toContain('GYRE_TRAINER_TOKEN=a-token');
    expect(given).toContain(`PATH=${process.env['PATH'] ?? ''}`);
    expect(given.join()).not.toContain('a-secret');
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain('a-token');
    await trainer.stop();
  });

  it('is started with our pid, says where it listens, is on record, and ends when it is asked to', async () => {
    const trainer = launch('well');
    await until(() => urls().length === 1);
    expect((await fetch(`${urls()[0] ?? ''}/health`)).status).toBe(200);
    expect(lines()[0]).toMatch(new RegExp(`--parent-pid ${process.pid}$`));
    const child = record();
    expect(child !== undefined && alive(child)).toBe(true);

    await trainer.stop();
    await trainer.stop();
    expect(child !== undefined && alive(child)).toBe(false);
    expect(record()).toBeUndefined();
    expect(lines().at(-1)).toBe(`term ${child?.pid ?? 0}`);
    expect(downs()).toEqual([]);
    expect(readFileSync(join(data, 'logs', 'trainer.log'), 'utf8')).toContain('warming up');
  });

  it('is started again when it dies, and the reason is told', async () => {
    launch('well');
    await until(() => urls().length === 1);
    await fetch(`${urls()[0] ?? ''}/die`).catch(() => undefined);
    await until(() => urls().length === 2);
    expect(downs()).toHaveLength(1);
    expect(downs()[0]).toMatch(/^it ended with code 7.*trainer\.log$/);
  });

  it('that cannot start is tried again and again, with its last words as the reason', async () => {
    launch('crash');
    await until(() => downs().length >= 3);
    expect(downs()[0]).toMatch(/^it ended with code 3 \(ModuleNotFoundError: no torch here\); see /);
    expect(new Set(lines()).size).toBe(lines().length);
  });

  it('that does not support the model says so once, and is not started again', async () => {
    launch('unsupported');
    await until(() => refused().length === 1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(refused()).toEqual(['FooForCausalLM is not supported: it dreams']);
    expect([lines().length, downs()]).toEqual([1, []]);
  });

  it('whose interpreter is missing is told as such, and stopping still works', async () => {
    const trainer = launch('well', join(data, 'no-python'));
    await until(() => downs().length >= 1);
    expect(downs()[0]).toMatch(/could not be started: .*no-python.*ENOENT/);
    await trainer.stop();
  });

  it('that ignores the request to end is killed', async () => {
    const trainer = launch('stubborn');
    await until(() => urls().length === 1);
    const child = record();
    await trainer.stop();
    expect(child !== undefined && alive(child)).toBe(false);
  });
});

describe('a child left behind by a crashed run', () => {
  /** A process the launcher did not start, recorded as if an earlier run had. */
  function leftover(owner: number): { readonly pid: number; readonly ended: Promise<unknown> } {
    const process_ = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], {
      detached: true,
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => process_.once('exit', resolve));
    const pid = process_.pid ?? 0;
    mkdirSync(join(data, 'run'), { recursive: true });
    writeFileSync(join(data, 'run', 'trainer.json'), JSON.stringify(processOf(pid)));
    writeFileSync(
      join(data, 'run', 'trainer-parent.json'),
      JSON.stringify({ ...processOf(owner), ...(owner === process.pid ? { startTime: '1' } : {}) }),
    );
    return { pid, ended };
  }

  it('is ended before a new one starts', async () => {
    // The recorded owner has our pid and another start time: a gateway that is gone, its pid used again.
    const { ended } = leftover(process.pid);
    launch('well');
    await ended;
    await until(() => urls().length === 1);
  });

  it('is left alone when the pid is another process by now', async () => {
    const { pid, ended } = leftover(process.pid);
    writeFileSync(join(data, 'run', 'trainer.json'), JSON.stringify({ pid, startTime: '12345' }));
    launch('well');
    await until(() => urls().length === 1);
    expect(processOf(pid)).toBeDefined();
    process.kill(pid, 'SIGKILL');
    await ended;
  });

  it('is left alone while its own gateway lives, and we say whose it is', async () => {
    const gateway = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
    const gone = new Promise((resolve) => gateway.once('exit', resolve));
    const { pid, ended } = leftover(gateway.pid ?? 0);
    launch('well');
    await until(() => downs().length === 1);
    expect(downs()[0]).toContain(
      `running gateway with process ${gateway.pid ?? 0}: end that one, or use another --data folder`,
    );
    expect(processOf(pid)).toBeDefined();

    gateway.kill('SIGKILL');
    await gone;
    await ended;
    await until(() => urls().length === 1);
  });
});
