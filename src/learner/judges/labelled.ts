/**
 * What a judge is trained on: labelled steps, which of them are held out, and which clusters they make. A question is
 * on one side whoever asks it how often, and leaves a side only towards training, so that no version is ever measured
 * on what an earlier one was trained on.
 */
import type { LearnedJudge as LearnedConfig } from '../../core/config.js';
import {
  type HeldOut,
  heldOutOf,
  type LABELLERS,
  type LearnedVersion,
  type Likeness,
} from '../../core/judging/learned.js';
import type { Subject } from '../../core/learning/judging.js';
import { canonicalJson, sha256, type Hash } from '../../core/text/hash.js';
import { giversAmong, shareOut } from '../../filter/shares.js';
import { clustered, knownOf, LIKENESS, likenessOf } from '../../judge/learned/likeness.js';
import { MATERIAL, questionOf } from '../../judge/learned/material.js';
import type { TrainingLabel } from '../../train/judges.js';
import type { Learner } from '../deps.js';

/** Raised with every change of who is held out, or of how it is trained. */
const RECIPE = 2;
/** With fewer gold items nobody knows how often it abstains. */
const LEAST_GOLD = 20;
/** With so many clusters a few are left out whole, to tell what it makes of what nobody labelled. */
const MANY_CLUSTERS = 8;
/** So much of the labels, in clusters none of which has more than twice as much. */
const UNSEEN = 0.05;
/** Whoever has a key says it, of answers that the key was given. */
const FEEDBACK: (typeof LABELLERS)[number] = 'feedback';
/** States read at a time. */
const SLICE = 500;

interface LabelledStep {
  readonly stepId: string;
  readonly subject: Subject;
  readonly good: boolean;
  readonly part: TrainingLabel['part'];
  /** A name for people: the kind of action, and which wording of it. */
  readonly cluster: string;
}

export interface Labelled {
  readonly steps: readonly LabelledStep[];
  readonly hash: Hash;
  readonly known: readonly Likeness[];
  readonly gold: readonly string[];
  readonly heldOut: HeldOut;
}

/** What else than labels makes another judge of them. */
export function recipeOf({ labels, heldout, rank, rate, passes }: LearnedConfig): Hash {
  return sha256(canonicalJson({ RECIPE, MATERIAL, LIKENESS, labels, heldout, rank, rate, passes }));
}

/**
 * Only of steps that may be learned from: with consent, and not of what is held out for the gate. Of what users say one
 * key says no more than its share, so that nobody teaches a judge alone. `begun`: the version that they are for, where
 * it was begun before.
 */
export async function labelledFor(
  { rows, config, signal }: Pick<Learner, 'rows' | 'config' | 'signal'>,
  judge: LearnedConfig,
  begun?: LearnedVersion,
): Promise<Labelled> {
  const all = await rows.learned.labels(judge.labels, judge.max_labels);
  const givers = await rows.givers.of(all.flatMap(({ stepId, by }) => (by === FEEDBACK ? [stepId] : [])));
  const given = all.map((label) => ({ ...label, giver: givers.get(label.stepId) }));
  const among = giversAmong(await rows.givers.heardLately(), given);
  const { taken } = shareOut(given, given.length, config['learning.key_share'], among);
  const labels = [...taken].sort((a, b) => (a.stepId < b.stepId ? -1 : 1));
  const found: { readonly stepId: string; readonly good: boolean; readonly subject: Subject }[] = [];
  for (let from = 0; from < labels.length; from += SLICE) {
    signal.throwIfAborted();
    const slice = labels.slice(from, from + SLICE);
    const ids = slice.map(({ stepId }) => stepId);
    const [consented, heldOut] = [await rows.steps.consented(ids), await rows.steps.heldOut(ids)];
    const subjects = await subjectsOf(
      { rows },
      ids.filter((id) => consented.has(id) && !heldOut.has(id)),
    );
    for (const { stepId, good } of slice) {
      const subject = subjects.get(stepId);
      if (subject !== undefined) found.push({ stepId, good, subject });
    }
  }
  const likenesses = found.map(({ subject }) => likenessOf(subject));
  const { of, firsts } = clustered(likenesses);
  const unseen = unseenOf(of, firsts);
  const heldOut = begun?.heldOut ?? (await heldOutNow({ rows, config }, judge, found.length));
  const parts = found.map(({ subject }, at) => (unseen.has(of[at] as number) ? 'unseen' : partOf(subject, heldOut)));
  const known = knownOf(
    firsts,
    of.filter((_, at) => parts[at] === 'train'),
  );
  const steps = found.map((step, at): LabelledStep => {
    const first = firsts[of[at] as number] as Likeness;
    return { ...step, part: parts[at] ?? 'train', cluster: clusterName(first.kind, known.indexOf(first)) };
  });
  return {
    steps,
    hash: sha256(canonicalJson(steps.map(({ stepId, good, part }) => [stepId, good, part]))),
    known,
    gold: steps.flatMap(({ stepId, part }) => (part === 'test' ? [stepId] : [])),
    heldOut,
  };
}

/** A name for people: the kind of action, and its place among those that a version speaks of; -1 where it is none. */
export function clusterName(kind: string, place: number): string {
  return place < 0 ? `${kind}, seldom labelled` : `${kind} #${place + 1}`;
}

async function heldOutNow(
  { rows, config }: Pick<Learner, 'rows' | 'config'>,
  { name, heldout: fixed }: LearnedConfig,
  labels: number,
): Promise<HeldOut> {
  const last = (await rows.judges.calibrations()).find(
    ({ judge, source }) => judge === name && source === 'labels',
  )?.numbers;
  const asked = last === undefined ? 0 : last.n + last.abstained;
  const told = last === undefined || asked < LEAST_GOLD ? undefined : last.n / asked;
  const { items } = config.calibration;
  return heldOutOf({ labels, items, told, fixed }, await rows.learned.versions(name));
}

/** Steps as a judge is asked about them; of those that are gone nothing. */
export async function subjectsOf(
  { rows }: Pick<Learner, 'rows'>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, Subject>> {
  return new Map(
    [...(await rows.steps.asked(ids))].map(([id, { state }]): [string, Subject] => {
      const { messages, tools, text, calls, index } = state;
      return [id, { kind: 'step', id, messages, tools, text, calls, index }];
    }),
  );
}

function partOf({ messages }: Subject, { gold, fit }: HeldOut): 'train' | 'fit' | 'test' {
  const place = shareOf(`part ${questionOf(messages).trim()}`);
  return place < gold ? 'test' : place < fit ? 'fit' : 'train';
}

/** Clusters that are left out whole. */
function unseenOf(of: readonly number[], firsts: readonly Likeness[]): ReadonlySet<number> {
  if (firsts.length < MANY_CLUSTERS) return new Set();
  const sizes = firsts.map(() => 0);
  for (const cluster of of) sizes[cluster] = (sizes[cluster] ?? 0) + 1;
  const most = UNSEEN * of.length;
  const order = firsts
    .map((first, cluster) => ({ cluster, place: shareOf(`unseen ${canonicalJson(first)}`) }))
    .sort((a, b) => a.place - b.place);
  const chosen = new Set<number>();
  let taken = 0;
  for (const { cluster } of order) {
    const size = sizes[cluster] ?? 0;
    if (taken >= most || size > 2 * most) continue;
    chosen.add(cluster);
    taken += size;
  }
  return chosen;
}

/** From 0 to 1, the same for the same text everywhere. */
function shareOf(text: string): number {
  return parseInt(sha256(text).slice(3, 11), 16) / 2 ** 32;
}
