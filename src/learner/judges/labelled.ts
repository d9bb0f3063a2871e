/**
 * What a judge is trained on: labelled steps, which of them are held out, and which clusters they make. A question is
 * on one side whoever asks it how often, and on the same side of every version, so that no version is ever measured on
 * what an earlier one was trained on.
 */
import type { LearnedJudge as LearnedConfig } from '../../core/config.js';
import type { LABELLERS, Likeness } from '../../core/judging/learned.js';
import type { Subject } from '../../core/learning/judging.js';
import { canonicalJson, sha256, type Hash } from '../../core/text/hash.js';
import { giversAmong, shareOut } from '../../filter/shares.js';
import { clustered, knownOf, LIKENESS, likenessOf } from '../../judge/learned/likeness.js';
import { MATERIAL, questionOf } from '../../judge/learned/material.js';
import type { TrainingLabel } from '../../train/judges.js';
import type { Learner } from '../deps.js';

/** Raised with every change of who is held out, or of how it is trained. */
const RECIPE = 1;
/** Of what is held out so much calibrates; the rest is gold. */
const FIT = 1 / 3;
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
}

/** What else than labels makes another judge of them. */
export function recipeOf({ labels, heldout, rank, rate, passes }: LearnedConfig): Hash {
  return sha256(canonicalJson({ RECIPE, MATERIAL, LIKENESS, labels, heldout, rank, rate, passes }));
}

/**
 * Only of steps that may be learned from: with consent, and not of what is held out for the gate. Of what users say one
 * key says no more than its share, so that nobody teaches a judge alone.
 */
export async function labelledFor(
  { rows, config, signal }: Pick<Learner, 'rows' | 'config' | 'signal'>,
  judge: LearnedConfig,
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
  const steps = found.map((step, at): LabelledStep => {
    const cluster = of[at] as number;
    const part = unseen.has(cluster) ? 'unseen' : partOf(step.subject, judge.heldout);
    return { ...step, part, cluster: `${(firsts[cluster] as Likeness).kind} #${cluster + 1}` };
  });
  const inPart = (part: TrainingLabel['part']): number[] =>
    steps.flatMap((step, at) => (step.part === part ? [at] : []));
  return {
    steps,
    hash: sha256(canonicalJson(steps.map(({ stepId, good, part }) => [stepId, good, part]))),
    known: knownOf(
      firsts,
      inPart('train').map((at) => of[at] as number),
    ),
    gold: inPart('test').map((at) => (steps[at] as LabelledStep).stepId),
  };
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

function partOf({ messages }: Subject, heldout: number): 'train' | 'fit' | 'test' {
  const place = shareOf(`part ${questionOf(messages).trim()}`);
  return place < heldout * FIT ? 'fit' : place < heldout ? 'test' : 'train';
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
