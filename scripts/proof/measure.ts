/** What came of it: a version beside the model as it was, on questions that neither judge nor policy has seen. */
import type { CycleView } from '../../src/core/learning/views.js';
import type { Task } from '../../src/core/learning/task.js';
import { paired, type PairedDifference } from '../../src/promote/interval.js';
import { type Answer, ask } from '../demo/clients.js';
import { startGateway } from '../demo/gateway.js';

export interface Asked {
  readonly numbers: readonly Task[];
  readonly patterns: readonly Task[];
  /** Of whoever asks, where the gateway has keys. */
  readonly key: string | undefined;
}

interface Compared extends PairedDifference {
  readonly before: number;
  readonly after: number;
}

export interface Measured {
  readonly version: number;
  /** New numbers in the wordings of the traffic. */
  readonly numbers: Compared;
  /** Wordings that nobody asked. */
  readonly patterns: Compared;
  readonly failed: number;
}

/** Nothing is learned meanwhile. Greedily; unanswered is wrong. */
export async function measure(
  args: readonly string[],
  versions: readonly number[],
  { numbers, patterns, key }: Asked,
): Promise<Measured[]> {
  const served = await startGateway([...args, '--learn', 'off'], () => undefined);
  const gateway = { ...served, key };
  try {
    const of = (version: number): Promise<Answer[]> =>
      ask(gateway, [...numbers, ...patterns], {
        model: version === 0 ? 'gyre@base' : `gyre@${version}`,
        ...{ temperature: 0, train: false, width: 16, named: false },
      });
    const before = await of(0);
    const measured: Measured[] = [];
    for (const version of versions) {
      const after = version === 0 ? before : await of(version);
      const compared = (from: number, to?: number): Compared => {
        const [old, now] = [right(before.slice(from, to)), right(after.slice(from, to))];
        return { ...paired(old, now), before: mean(old), after: mean(now) };
      };
      measured.push({
        version,
        numbers: compared(0, numbers.length),
        patterns: compared(numbers.length),
        failed: [...before, ...after].filter((answer) => answer.failed).length,
      });
    }
    return measured;
  } finally {
    await served.stop();
  }
}

export function cycleSaid({ state, counts, note }: CycleView): string {
  return `cycle ${state}, mean reward ${counts['mean_reward']?.toFixed(3) ?? '-'}: ${note}`;
}

export function said({ version, numbers, patterns, failed }: Measured): string[] {
  const line = (what: string, { n, before, after, difference, low, high }: Compared): string => {
    const [from, to, by, least, most] = [before, after, difference, low, high].map((each) => (100 * each).toFixed(1));
    const gain = `${by ?? ''} points [${least ?? ''}, ${most ?? ''}]`;
    return `  ${what}: ${from ?? ''} -> ${to ?? ''} %, ${gain}, ${n} questions`;
  };
  return [
    `version ${version} beside the model as it was${failed === 0 ? '' : `, ${failed} requests failed`}:`,
    line('new numbers in the wordings of the traffic', numbers),
    line('wordings that nobody asked', patterns),
  ];
}

function right(answers: readonly Answer[]): number[] {
  return answers.map((answer) => Number(answer.right));
}

function mean(list: readonly number[]): number {
  return list.reduce((sum, value) => sum + value, 0) / list.length;
}
