/** People label a sample of the traffic, a judge is trained of it, and drives the training on the rest. */
import type { JudgesView, JudgeView } from '../../src/core/judging/views.js';
import type { Task } from '../../src/core/learning/task.js';
import type { LearningStatus } from '../../src/core/learning/views.js';
import { ask } from '../demo/clients.js';
import { api, type Gateway } from '../demo/gateway.js';
import { label } from './labels.js';
import { cycleSaid } from './measure.js';

export interface Labelling {
  readonly labels: number;
  readonly minutes: number;
  /** Whether the rest of the traffic has other wordings than what is labelled. */
  readonly otherWordings: boolean;
  readonly random: () => number;
  readonly tell: (line: string) => void;
}

/** Labels of which the other word is said. */
const WRONG = 0.05;
/** A question is worth about two steps, and both may be labelled. */
const STEPS_OF_ONE = 1.7;
/** Questions that clients ask before a cycle is waited for. */
const PER_CYCLE = 16;
const LOOK_MS = 2_000;
/** A judge that is not there by then will not come. */
const JUDGE_MINUTES = 45;

const wait = (): Promise<void> => new Promise((done) => setTimeout(done, LOOK_MS));

/** Nobody but the judge rewards. An uncalibrated one is asked for as little as a configuration can ask for. */
export function labelledSettings(labels: number, uncalibrated: boolean): object {
  return {
    judges: [
      { name: 'critic', kind: 'learned', labels: ['person'], min_labels: Math.max(50, Math.floor(0.9 * labels)) },
    ],
    learning: { rewards: ['critic'], max_states: 32, min_steps: 32, rate: 4e-4 },
    ...(uncalibrated ? { calibration: { items: 20, accuracy: 0.5, false_accept: 0.5 } } : {}),
  };
}

/** Resolves to what is worth keeping of it. */
export async function byLabels(gateway: Gateway, train: readonly Task[], plan: Labelling): Promise<object> {
  const { labels, minutes, tell } = plan;
  const [asked, rest] = split(train, Math.ceil(labels / STEPS_OF_ONE), plan.otherWordings);
  await askAll(gateway, asked);
  const given = await label(gateway, asked, labels, { wrongShare: WRONG, random: plan.random });
  tell(`${given.labels} labels, ${given.good} of them of what is good; of ${given.wrong} the other word was said`);
  const judge = await judgeOf(gateway);
  tell(judge === undefined ? 'no judge came' : told(judge));
  const cycles = await learn(gateway, rest, minutes, tell);
  const last = await newest(gateway);
  return { labels: given, calibration: judge?.calibration ?? null, last: last?.calibration ?? null, cycles };
}

/** The questions that are labelled, and the others: of the same wordings, or of those that nobody labels. */
function split(train: readonly Task[], questions: number, others: boolean): [Task[], Task[]] {
  if (!others) return [train.slice(0, questions), train.slice(questions)];
  const names = [...new Set(train.map(({ metadata }) => metadata['pattern']))];
  const isLabelled = ({ metadata }: Task): boolean => names.indexOf(metadata['pattern']) % 2 === 0;
  return [train.filter(isLabelled).slice(0, questions), train.filter((task) => !isLabelled(task))];
}

async function askAll(gateway: Gateway, tasks: readonly Task[]): Promise<void> {
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

/** Clients ask on, and what they said is learned from, for so many minutes. Resolves to the notes of the cycles. */
async function learn(
  gateway: Gateway,
  tasks: readonly Task[],
  minutes: number,
  tell: (line: string) => void,
): Promise<readonly string[]> {
  const ended = new Map<string, string>();
  const until = performance.now() + minutes * 60_000;
  for (let at = 0; performance.now() < until; at += PER_CYCLE) {
    await askAll(
      gateway,
      Array.from({ length: PER_CYCLE }, (_, i) => tasks[(at + i) % tasks.length] as Task),
    );
    for (let waits = true; waits && performance.now() < until; await wait()) {
      const { last, running, waiting_for: reason } = await api<LearningStatus>(gateway, 'GET', '/gyre/v1/status');
      if (last !== null && !ended.has(last.id)) {
        ended.set(last.id, last.note);
        tell(cycleSaid(last));
        waits = false;
      } else if (running === null && / more states /.test(reason)) waits = false;
      else if (running === null && /^(a gate|a judge)/.test(reason)) {
        tell(`nothing is learned: it waits for ${reason}`);
        return [...ended.values()];
      }
    }
  }
  return [...ended.values()];
}

function told({ calibration, may_reward: may, why }: JudgeView): string {
  if (calibration === null) return `the judge is not measured: ${why}`;
  const { n, accuracy, false_accept: accepts, abstained } = calibration;
  const share = ({ share, low, high }: typeof accuracy): string =>
    `${share.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
  return (
    `the judge ${may ? 'may' : 'may not'} reward: ${n} gold items, accuracy ${share(accuracy)}, false accepts ` +
    `${share(accepts)}, ${abstained} abstentions${may ? '' : `; ${why}`}`
  );
}
