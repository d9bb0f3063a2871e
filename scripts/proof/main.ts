/**
 * `npm run proof`: can Gyre learn from traffic without answers? Clients ask questions that are bound to no task; a
 * sample of the steps is labelled by somebody who errs at one in twenty; out of these a judge is trained, calibrated,
 * and drives the training on the rest of the traffic. Then the head is asked questions that neither the judge nor the
 * policy has seen, beside the model as it was. The answers never come near the gateway.
 *
 *   npm run proof -- [--seed 1] [--labels 1000] [--minutes 15] [--wordings same|new] [--uncalibrated] [--out proof]
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { stringify } from 'yaml';

import type { JudgesView, JudgeView } from '../../src/core/judging/views.js';
import type { Task } from '../../src/core/learning/task.js';
import type { CycleView, LearningStatus } from '../../src/core/learning/views.js';
import { paired, type PairedDifference } from '../../src/promote/interval.js';
import { seeded } from '../../src/tasks/draw.js';
import { type Answer, ask } from '../demo/clients.js';
import { family } from '../demo/family.js';
import { api, type Gateway, startGateway } from '../demo/gateway.js';
import { label, type Labelled } from './labels.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    labels: { type: 'string', default: '1000' },
    minutes: { type: 'string', default: '15' },
    wordings: { type: 'string', default: 'same' },
    uncalibrated: { type: 'boolean', default: false },
    out: { type: 'string', default: 'proof' },
  },
});
/** Questions that clients ask before a cycle is waited for. */
const PER_CYCLE = 16;
/** A question is worth about two steps, and both may be labelled. */
const STEPS_OF_ONE = 1.7;
const LOOK_MS = 2_000;
/** A judge that is not there by then will not come. */
const JUDGE_MINUTES = 45;

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const wait = (): Promise<void> => new Promise((done) => setTimeout(done, LOOK_MS));
const number = (name: string, text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} is "${text}"; it must be a number above 0`);
  return value;
};

async function main(): Promise<void> {
  const [seed, labels, minutes] = [
    number('seed', values.seed),
    number('labels', values.labels),
    number('minutes', values.minutes),
  ];
  if (!['same', 'new'].includes(values.wordings))
    throw new Error(`--wordings is "${values.wordings}"; it must be "same" or "new"`);
  const out = resolve(values.out);
  const data = join(out, 'data');
  rmSync(out, { recursive: true, force: true });
  mkdirSync(data, { recursive: true });
  const config = join(out, 'gyre.yaml');
  writeFileSync(config, stringify(settings(labels, values.uncalibrated)));
  const folder = ['--port', '0', '--data', data, '--config', config];

  const questions = Math.ceil(labels / STEPS_OF_ONE);
  const tasks = family(seed, { train: 2 * questions + 1_000, gate: 0, numbers: 200, patterns: 100 });
  const kind = (name: string): Task[] => tasks.filter(({ metadata }) => metadata['kind'] === name);
  const [labelled, rest] = split(kind('train'), questions, values.wordings === 'new');
  const began = performance.now();
  const passed = (): string => `${((performance.now() - began) / 60_000).toFixed(1)} min`;
  const random = seeded(seed + 1);

  const learning = await startGateway([...folder, '--learn', 'on'], (line) => print(`  ${line}`));
  let given: Labelled;
  let judge: JudgeView | undefined;
  try {
    await asked(learning, labelled);
    given = await label(learning, labelled, labels, { wrongShare: 0.05, random });
    print(
      `${passed()}: ${given.labels} labels, ${given.good} of them of what is good, ${given.wrong} with the other word`,
    );
    judge = await judgeOf(learning);
    print(`${passed()}: ${judge === undefined ? 'no judge came' : told(judge)}`);
    await learn(learning, rest, minutes, (line) => print(`${passed()}: ${line}`));
    judge = await newest(learning);
  } finally {
    await learning.stop();
  }
  const report = await measured([...folder, '--learn', 'off'], kind('numbers'), kind('patterns'));
  for (const line of said(report)) print(line);
  const { calibration = null } = judge ?? {};
  const whole = { seed, wordings: values.wordings, uncalibrated: values.uncalibrated, labels: given, calibration };
  writeFileSync(join(out, 'report.json'), `${JSON.stringify({ ...whole, ...report }, null, 2)}\n`);
}

/** Nobody but the judge rewards; without a calibration it has to be let. */
function settings(labels: number, uncalibrated: boolean): object {
  return {
    // What the clients asked is what is labelled, so that the judge comes as soon as it can.
    judges: [{ name: 'critic', kind: 'learned', labels: ['person'], min_labels: Math.floor(0.9 * labels) }],
    learning: { rewards: ['critic'], max_states: 32, min_steps: 32, rate: 4e-4 },
    ...(uncalibrated ? { calibration: { items: 20, accuracy: 0.5, false_accept: 0.5 } } : {}),
  };
}

/** The questions that are labelled, and the others: of the same wordings, or of those that nobody labels. */
function split(train: readonly Task[], questions: number, others: boolean): [Task[], Task[]] {
  if (!others) return [train.slice(0, questions), train.slice(questions)];
  const names = [...new Set(train.map(({ metadata }) => metadata['pattern']))];
  const isLabelled = ({ metadata }: Task): boolean => names.indexOf(metadata['pattern']) % 2 === 0;
  return [train.filter(isLabelled).slice(0, questions), train.filter((task) => !isLabelled(task))];
}

async function asked(gateway: Gateway, tasks: readonly Task[]): Promise<void> {
  const answers = await ask(gateway, tasks, { model: 'gyre', temperature: 0.7, train: true, width: 16, named: false });
  const failed = answers.filter((answer) => answer.failed);
  if (failed.length > 0) throw new Error(`${failed.length} requests failed, the first: ${failed[0]?.text ?? ''}`);
}

async function newest(gateway: Gateway): Promise<JudgeView | undefined> {
  const { data } = await api<JudgesView>(gateway, 'GET', '/gyre/v1/judges');
  return data.find(({ name }) => name === 'critic');
}

/** Waits until the judge is trained and measured. */
async function judgeOf(gateway: Gateway): Promise<JudgeView | undefined> {
  for (const until = performance.now() + JUDGE_MINUTES * 60_000; performance.now() < until; await wait()) {
    const judge = await newest(gateway);
    if (judge !== undefined && judge.calibration !== null) return judge;
  }
  return undefined;
}

/** Clients ask on, and what they said is learned from, for so many minutes. */
async function learn(
  gateway: Gateway,
  tasks: readonly Task[],
  minutes: number,
  tell: (line: string) => void,
): Promise<void> {
  const seen = new Set<string>();
  const until = performance.now() + minutes * 60_000;
  for (let at = 0; performance.now() < until; at += PER_CYCLE) {
    await asked(
      gateway,
      Array.from({ length: PER_CYCLE }, (_, i) => tasks[(at + i) % tasks.length] as Task),
    );
    for (let ended: CycleView | undefined; ended === undefined && performance.now() < until; await wait()) {
      const { last, waiting_for: waits } = await api<LearningStatus>(gateway, 'GET', '/gyre/v1/status');
      if (last !== null && !seen.has(last.id)) {
        seen.add(last.id);
        ended = last;
        tell(`cycle ${last.state}, mean reward ${last.counts['mean_reward']?.toFixed(3) ?? '-'}: ${last.note}`);
      } else if (/more|need/.test(waits)) break;
    }
  }
}

interface Measured {
  readonly head: number;
  readonly numbers: PairedDifference & { readonly before: number; readonly after: number };
  readonly patterns: PairedDifference & { readonly before: number; readonly after: number };
}

/** Nothing is learned meanwhile. */
async function measured(
  args: readonly string[],
  numbers: readonly Task[],
  patterns: readonly Task[],
): Promise<Measured> {
  const gateway = await startGateway(args, () => undefined);
  try {
    const { head } = await api<LearningStatus>(gateway, 'GET', '/gyre/v1/status');
    const of = async (model: string): Promise<Answer[]> => {
      const answers = await ask(gateway, [...numbers, ...patterns], {
        ...{ model, temperature: 0, train: false, width: 16, named: false },
      });
      const failed = answers.filter((answer) => answer.failed);
      // Unanswered is wrong; that it happened is told.
      if (failed.length > 0)
        print(`${failed.length} questions to ${model} failed, the first: ${failed[0]?.text ?? ''}`);
      return answers;
    };
    const [before, after] = [await of('gyre@base'), await of(head === 0 ? 'gyre@base' : `gyre@${head}`)];
    const compared = (from: number, to?: number): Measured['numbers'] => {
      const [old, present] = [before, after].map((answers) =>
        answers.slice(from, to).map(({ right }) => Number(right)),
      );
      if (old === undefined || present === undefined) throw new Error('nothing was measured');
      return { ...paired(old, present), before: mean(old), after: mean(present) };
    };
    return { head, numbers: compared(0, numbers.length), patterns: compared(numbers.length) };
  } finally {
    await gateway.stop();
  }
}

function mean(list: readonly number[]): number {
  return list.reduce((sum, value) => sum + value, 0) / list.length;
}

function told({ calibration, may_reward: may, why }: JudgeView): string {
  if (calibration === null) return `the judge is not measured: ${why}`;
  const { n, accuracy, false_accept: accepts, abstained } = calibration;
  const share = ({ share, low, high }: typeof accuracy): string =>
    `${share.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
  return (
    `the judge ${may ? 'may' : 'may not'} reward: ${n} gold items, accuracy ${share(accuracy)}, false accepts ` +
    `${share(accepts)}, ${abstained} abstentions`
  );
}

function said({ head, numbers, patterns }: Measured): string[] {
  const line = (what: string, { n, before, after, difference, low, high }: Measured['numbers']): string => {
    const [from, to, by, least, most] = [before, after, difference, low, high].map((each) => (100 * each).toFixed(1));
    return `  ${what}: ${from ?? ''} -> ${to ?? ''} %, ${by ?? ''} points [${least ?? ''}, ${most ?? ''}], ${n} questions`;
  };
  return [
    `version ${head} beside the model as it was:`,
    line('new numbers in the wordings of the traffic', numbers),
    line('wordings that nobody asked', patterns),
  ];
}

main().catch((fault: unknown) => {
  process.stderr.write(`proof: ${fault instanceof Error ? fault.message : String(fault)}\n`);
  process.exitCode = 1;
});
