/**
 * A version of a judge that was just trained here against its gold items, which no version of it was trained on: what
 * it is worth, and in which clusters it is wrong so often that it is not to speak of them.
 */
import type { LearnedJudge as LearnedConfig } from '../../core/config.js';
import type { CalibrationNumbers } from '../../core/judging/calibration.js';
import type { KnownCluster, LearnedVersion } from '../../core/judging/learned.js';
import { isPolicy } from '../../core/learning/policy_name.js';
import { type LearnedJudge, learnedVersionOf } from '../../judge/learned/judge.js';
import { likenessOf, nearest } from '../../judge/learned/likeness.js';
import type { Learner } from '../deps.js';
import { calibrate, type GoldSubject } from './calibrating.js';
import { clusterName, subjectsOf } from './labelled.js';

/** Of fewer gold items in a cluster nothing is said. */
const LEAST_IN_CLUSTER = 20;

type Calibrated = Pick<Learner, 'rows' | 'config' | 'signal' | 'progress' | 'calibrated'>;

/** Where it is wrong too often somewhere it becomes another that is silent there, and that one is calibrated. */
export async function againstGold(
  learner: Calibrated,
  judge: LearnedConfig,
  handle: LearnedJudge,
  serving: LearnedVersion,
): Promise<void> {
  const { rows, signal, progress, config } = learner;
  const ended = (note: string): Promise<void> => rows.learned.calibrated(judge.name, serving.version, note);
  const items = await itemsOf(learner, judge, serving);
  if (items.length === 0) return ended('there were no gold items');
  const asked = (): Promise<CalibrationNumbers> => calibrate(handle, items, { signal, progress, isOwn: isPolicy });
  let [numbers, known] = [await asked(), serving.known];
  const { adapter, scaling } = serving;
  const narrowed = narrowedBy(numbers, known, config.calibration.accuracy);
  if (narrowed !== undefined && adapter !== undefined && scaling !== undefined) {
    known = narrowed;
    const judgeVersion = learnedVersionOf({ ...serving, known, adapter, scaling }, judge);
    await rows.learned.narrowed(judge.name, serving.version, { known, judgeVersion });
    handle.refresh();
    numbers = await asked();
  }
  await learner.calibrated?.(handle, numbers, items);
  const { accuracy, falseAccept, n, abstained } = numbers;
  await ended(
    `told ${n} of ${items.length} gold items, abstained from ${abstained}: accuracy ${accuracy.accuracy.toFixed(3)}, ` +
      `false accepts ${falseAccept.accuracy.toFixed(3)}${silentOn(known)}`,
  );
}

/** As whoever labels has them now, in the clusters by which the judge knows them. */
async function itemsOf(
  { rows }: Pick<Learner, 'rows'>,
  judge: LearnedConfig,
  { gold, known }: LearnedVersion,
): Promise<readonly GoldSubject[]> {
  const labels = new Map(
    (await rows.learned.labels(judge.labels, judge.max_labels)).map((each) => [each.stepId, each]),
  );
  const subjects = await subjectsOf({ rows }, gold);
  return gold.flatMap((stepId): GoldSubject[] => {
    const [subject, label] = [subjects.get(stepId), labels.get(stepId)];
    if (subject === undefined || label === undefined) return [];
    const likeness = likenessOf(subject);
    const { nearness, cluster } = nearest(likeness, known);
    const place = cluster === undefined || nearness < judge.near ? -1 : known.indexOf(cluster);
    return [{ subject, truth: label.good, cluster: clusterName(likeness.kind, place), by: label.author }];
  });
}

/** With a mark on each cluster whose accuracy is surely below what is asked for; undefined where there is none. */
function narrowedBy(
  { clusters }: CalibrationNumbers,
  known: readonly KnownCluster[],
  needed: number,
): readonly KnownCluster[] | undefined {
  const wrong = new Map(
    clusters.flatMap(({ name, accuracy }) =>
      accuracy.n >= LEAST_IN_CLUSTER && accuracy.ci95[1] < needed ? [[name, accuracy]] : [],
    ),
  );
  if (wrong.size === 0) return undefined;
  return known.map((cluster, place) => {
    const found = wrong.get(clusterName(cluster.kind, place));
    return found === undefined ? cluster : { ...cluster, wrong: { n: found.n, accuracy: found.accuracy } };
  });
}

function silentOn(known: readonly KnownCluster[]): string {
  const silent = known.flatMap(({ kind, wrong }, place) =>
    wrong === undefined
      ? []
      : [`${clusterName(kind, place)} (right in ${wrong.accuracy.toFixed(2)} of ${wrong.n} gold items)`],
  );
  return silent.length === 0 ? '' : `; it is silent on ${silent.join(', ')}`;
}
