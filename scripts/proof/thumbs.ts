/** Users rate what they are given, some of them wrongly, and one of them always; nobody says what is right. */
import type { Task } from '../../src/core/learning/task.js';
import type { LearningStatus, ListedVersion } from '../../src/core/learning/views.js';
import { type Answer, ask } from '../demo/clients.js';
import { api, type Gateway } from '../demo/gateway.js';
import { cycleSaid } from './measure.js';

export interface Rating {
  readonly minutes: number;
  /** Keys of users, and of one who says the other word always and asks `BAD_SHARE` of everything. */
  readonly keys: readonly string[];
  readonly badKey: string | undefined;
  readonly random: () => number;
  readonly tell: (line: string) => void;
}

/** Ratings of which the other word is said. */
const WRONG = 0.2;
const BAD_SHARE = 0.3;
/** Questions in one round of all users. */
const ROUND = 24;

/** Recorded actions are rewarded, since a thumb is about these; conversations compare the versions. */
export function thumbSettings(): object {
  return {
    learning: { mode: 'logged', rewards: ['feedback'], max_states: 64, min_steps: 64, rate: 2e-4 },
    gate: { canary_share: 0.5, canary_conversations: 128 },
  };
}

export interface Rated {
  readonly ratings: number;
  /** Answers that were right. */
  readonly good: number;
  /** What came of each cycle. */
  readonly cycles: readonly string[];
  readonly decisions: readonly ListedVersion['decisions'][number][];
  /** Those that came to serve. */
  readonly versions: readonly number[];
}

/** Resolves to what is worth keeping of it. */
export async function byThumbs(
  gateway: Gateway,
  train: readonly Task[],
  { minutes, keys, badKey, random, tell }: Rating,
): Promise<Rated> {
  const until = performance.now() + minutes * 60_000;
  const cycles = new Map<string, string>();
  let [at, good, ratings, serving] = [0, 0, 0, 0];
  const next = (count: number): Task[] => Array.from({ length: count }, () => train[at++ % train.length] as Task);
  const rated = async (key: string, tasks: readonly Task[], wrong: number): Promise<void> => {
    const asUser = { ...gateway, key };
    const asking = { model: 'gyre', temperature: 0.7, train: true, width: 4, named: false };
    for (const answer of await ask(asUser, tasks, asking)) {
      const says = answer.right !== random() < wrong;
      await rate(asUser, answer, says);
      good += Number(answer.right);
      ratings += 1;
    }
  };
  while (performance.now() < until) {
    const ofBad = badKey === undefined ? 0 : Math.round(BAD_SHARE * ROUND);
    const each = Math.floor((ROUND - ofBad) / keys.length);
    await Promise.all([
      ...keys.map((key) => rated(key, next(each), WRONG)),
      ...(badKey === undefined ? [] : [rated(badKey, next(ofBad), 1)]),
    ]);
    const status = await api<LearningStatus>(gateway, 'GET', '/gyre/v1/status');
    if (status.last !== null && !cycles.has(status.last.id)) {
      cycles.set(status.last.id, status.last.note);
      tell(cycleSaid(status.last));
    }
    if (status.serving !== serving) tell(`version ${status.serving} serves`);
    serving = status.serving;
  }
  const { data } = await api<{ data: ListedVersion[] }>(gateway, 'GET', '/gyre/v1/versions?limit=100');
  const decisions = data.flatMap(({ version, decisions }) => decisions.map((each) => ({ ...each, version })));
  const versions = decisions.filter(({ kind }) => kind === 'promotion').map(({ version }) => version);
  for (const { version, kind, reason } of decisions)
    if (kind !== 'parity') tell(`version ${version}: ${kind}: ${reason}`);
  return { ratings, good, cycles: [...cycles.values()], decisions, versions };
}

async function rate(user: Gateway, { responseId, failed }: Answer, good: boolean): Promise<void> {
  if (failed || responseId === undefined) return;
  await api(user, 'POST', '/v1/feedback', { response_id: responseId, value: good ? 1 : -1 });
}
