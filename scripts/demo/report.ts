/** The demo's results as numbers: `report.json` and the table printed at the end are both made of this. */
import { proportion, type Proportion } from '../../src/core/judging/proportion.js';
import { paired, type PairedDifference } from '../../src/promote/interval.js';
import { answersOf, type Task } from '../../src/core/learning/task.js';
import { textOf } from '../../src/core/message.js';
import type { Answer, Background } from './clients.js';

export interface CurvePoint {
  readonly cycle: number;
  readonly seconds: number;
  readonly version: number;
  /** Mean reward of the cycle's samples. */
  readonly reward: number | null;
  /** Held-out accuracy where the gate measured it. */
  readonly heldout: number | null;
  readonly promoted: boolean;
}

export interface Example {
  readonly question: string;
  readonly reference: string;
  readonly before: string;
  readonly after: string;
}

export interface Report {
  readonly before: Proportion;
  readonly after: Proportion;
  readonly patterns_before: Proportion;
  readonly patterns_after: Proportion;
  readonly paired: { readonly difference: number; readonly ci95: readonly [number, number]; readonly n: number };
  readonly patterns_paired: {
    readonly difference: number;
    readonly ci95: readonly [number, number];
    readonly n: number;
  };
  readonly failed_requests: number;
  readonly background_requests: number;
  readonly stray_versions: number;
  readonly versions: readonly {
    version: number;
    kind: string;
    promoted: boolean;
    differs_from_base?: number | undefined;
    parity_mean_abs?: number | undefined;
  }[];
  readonly swap_seconds: readonly number[];
  readonly seconds: number;
  readonly setup_seconds: number;
  readonly seed: number;
  readonly examples: readonly Example[];
  readonly curve: readonly CurvePoint[];
  readonly background: Background;
  readonly tree: readonly {
    version: number;
    logical_tokens: number;
    distinct_tokens: number;
    computed_tokens: number;
  }[];
}

/** Scores of the asked tasks; a failed request counts as wrong here and as a failure elsewhere. */
function scores(answers: readonly Answer[]): number[] {
  return answers.map((answer) => (answer.right ? 1 : 0));
}

export function pair(before: readonly Answer[], after: readonly Answer[]): Report['paired'] {
  const { difference, low, high, n }: PairedDifference = paired(scores(before), scores(after));
  return { difference, ci95: [low, high], n };
}

export function measured(answers: readonly Answer[]): Proportion {
  return proportion(scores(answers));
}

/** Ten questions, those whose answer changed first. */
export function examples(tasks: readonly Task[], before: readonly Answer[], after: readonly Answer[]): Example[] {
  const order = tasks.map((_, at) => at).sort((a, b) => changed(before, after, b) - changed(before, after, a));
  return order.slice(0, 10).map((at) => ({
    question: textOf(tasks[at]?.messages.at(-1)?.content ?? ''),
    reference: answersOf(tasks[at]?.reference ?? '').join(' | '),
    before: before[at]?.text ?? '',
    after: after[at]?.text ?? '',
  }));
}

function changed(before: readonly Answer[], after: readonly Answer[], at: number): number {
  return before[at]?.right === after[at]?.right ? 0 : 1;
}

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
const row = (name: string, { accuracy, n, ci95 }: Proportion): string =>
  `  ${name.padEnd(28)} ${percent(accuracy).padStart(8)}   [${percent(ci95[0])}, ${percent(ci95[1])}]   n = ${n}`;

/** The closing table. */
export function summary(report: Report): string[] {
  const difference = (name: string, { difference: d, ci95, n }: Report['paired']): string =>
    `  ${name.padEnd(28)} ${`${d >= 0 ? '+' : ''}${(100 * d).toFixed(1)}`.padStart(8)} points ` +
    `[${(100 * ci95[0]).toFixed(1)}, ${(100 * ci95[1]).toFixed(1)}]   n = ${n}`;
  return [
    '',
    'held-out accuracy, greedy (95 % intervals)',
    row('new numbers, before', report.before),
    row('new numbers, after', report.after),
    difference('paired difference', report.paired),
    ...(report.patterns_before.n === 0
      ? []
      : [
          row('new wordings, before', report.patterns_before),
          row('new wordings, after', report.patterns_after),
          difference('paired difference', report.patterns_paired),
        ]),
    '',
    `background client: ${report.background_requests} requests, ${report.failed_requests} failed, ` +
      `${report.stray_versions} with a version that was not serving`,
    `swaps, adapter on disk to first token: ` +
      (report.swap_seconds.map((s) => `${s.toFixed(2)} s`).join(', ') || 'none'),
    `${report.seconds.toFixed(0)} s after set-up, seed ${report.seed}`,
  ];
}

/** A small chart for a terminal: one column per cycle, reward as dots, held-out accuracy as blocks. */
export function chart(curve: readonly CurvePoint[], height = 8): string[] {
  const lines: string[] = [];
  for (let level = height; level >= 1; level -= 1) {
    const low = (level - 1) / height;
    const high = level / height;
    const inside = (value: number | null): boolean =>
      value !== null && (value > low || (level === 1 && value >= 0)) && value <= high;
    const cells = curve.map((point) => (inside(point.heldout) ? ' ■' : inside(point.reward) ? ' ·' : '  ')).join('');
    lines.push(`${percent(high).padStart(8)} │${cells}`);
  }
  lines.push(
    `${' '.repeat(8)} └${'──'.repeat(curve.length)}  ` +
      'cycles (· reward of samples, ■ held-out accuracy of the candidate)',
  );
  return lines;
}
