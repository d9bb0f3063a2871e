/** Kills of one gateway after the other, on data folders that live through some of them each. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

import { startEngine } from '../../tests/fakes/engine.js';
import { client, type Notes, script } from './clients.js';
import { begin, FAULTS, type Fault, makeDisk, type Disk } from './faults.js';
import { problemsIn } from './proof.js';
import { Random } from './random.js';

export interface ChaosOptions {
  readonly kills: number;
  readonly seed: number;
  /** Every how many kills something else goes wrong as well. */
  readonly every?: number;
  /** Path of the compiled command line. */
  readonly main: string;
  readonly note?: (text: string) => void;
}

export interface ChaosReport {
  readonly acknowledged: number;
  readonly refused: number;
  /** How many of the kills met which fault. */
  readonly faults: Readonly<Record<Fault, number>>;
  readonly problems: readonly string[];
}

const CLIENTS = 8;
const KILLS_PER_FOLDER = 25;
/** From `ready` to the kill. */
const [LEAST_MS, MOST_MS] = [50, 950];

export async function chaos({
  kills,
  seed,
  main,
  every = 3,
  note = () => undefined,
}: ChaosOptions): Promise<ChaosReport> {
  const random = new Random(seed);
  const engine = await startEngine({ script });
  const faults = { 'disk full': 0, locked: 0, reader: 0 };
  const problems: string[] = [];
  let [acknowledged, refused, killed] = [0, 0, 0];
  try {
    while (killed < kills) {
      const disk = makeDisk();
      const notes: Notes = { acknowledged: [], refused: 0 };
      try {
        for (const until = Math.min(kills, killed + KILLS_PER_FOLDER); killed < until; killed += 1) {
          const fault = killed % every === every - 1 ? FAULTS[Math.floor(killed / every) % FAULTS.length] : undefined;
          if (fault !== undefined) faults[fault] += 1;
          await kill(await started(main, disk, engine.url), disk, fault, random, notes);
        }
        await ended(await started(main, disk, engine.url), 'SIGTERM');
        problems.push(...(await problemsIn(disk.folder, notes.acknowledged)));
      } finally {
        disk.remove();
      }
      acknowledged += notes.acknowledged.length;
      refused += notes.refused;
      note(`${killed} kills: ${acknowledged} acknowledged, ${refused} refused, ${problems.length} problems`);
    }
    return { acknowledged, refused, faults, problems };
  } finally {
    await engine.close();
  }
}

interface Started {
  readonly child: ChildProcess;
  readonly url: string;
}

async function started(main: string, { folder }: Disk, engine: string): Promise<Started> {
  const file = join(folder, 'gyre.yaml');
  // An answer that nothing could keep is no answer: its client would have it, and the log would not.
  writeFileSync(file, 'log: required\n');
  const args = [main, 'serve', '--config', file, '--data', folder, '--port', '0', '--engine', engine];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
  });
  let said = '';
  child.stderr.on('data', (text: Buffer) => (said += text.toString()));
  for await (const line of createInterface({ input: child.stdout }))
    if (line.startsWith('ready ')) return { child, url: line.slice('ready '.length) };
  throw new Error(`the gateway ended before it was ready: ${said}`);
}

async function kill(
  { child, url }: Started,
  disk: Disk,
  fault: Fault | undefined,
  random: Random,
  notes: Notes,
): Promise<void> {
  const clients = Array.from({ length: CLIENTS }, (_, at) =>
    client(url, `client ${at}`, new Random(Math.floor(random.between(0, 2 ** 31))), notes),
  );
  await sleep(random.between(LEAST_MS, MOST_MS));
  const over = fault === undefined ? undefined : await begin(fault, disk, child.pid ?? 0);
  if (fault !== undefined) await sleep(random.between(LEAST_MS, MOST_MS));
  await ended({ child }, 'SIGKILL');
  await Promise.all(clients);
  over?.();
}

async function ended({ child }: Pick<Started, 'child'>, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}
