/** Kills of one gateway after the other, on data folders that live through some of them each. */
import { setTimeout as sleep } from 'node:timers/promises';

import { startEngine } from '../../tests/fakes/engine.js';
import { endGateway, type Gateway, serveGateway } from '../serve/gateway.js';
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
        await endGateway(await started(main, disk, engine.url), 'SIGTERM');
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

function started(main: string, { folder }: Disk, engine: string): Promise<Gateway> {
  // An answer that nothing could keep is no answer: its client would have it, and the log would not.
  return serveGateway(main, { folder, engine, config: 'log: required\n' });
}

async function kill(
  gateway: Gateway,
  disk: Disk,
  fault: Fault | undefined,
  random: Random,
  notes: Notes,
): Promise<void> {
  const { child, url } = gateway;
  const clients = Array.from({ length: CLIENTS }, (_, at) =>
    client(url, `client ${at}`, new Random(Math.floor(random.between(0, 2 ** 31))), notes),
  );
  await sleep(random.between(LEAST_MS, MOST_MS));
  const over = fault === undefined ? undefined : await begin(fault, disk, child.pid ?? 0);
  if (over !== undefined) {
    await sleep(random.between(LEAST_MS, MOST_MS));
    // Half of the faults are over before the kill: what waited for that is on its way then.
    if (random.next() < 0.5) {
      over();
      await sleep(random.between(LEAST_MS, MOST_MS));
    }
  }
  await endGateway(gateway, 'SIGKILL');
  await Promise.all(clients);
  over?.();
}
