/** Watching the judges that reward: whether they still go with outcomes and with people, version by version. */
import { type Drift, outcomeDrift, peopleDrift } from '../../core/judging/drift.js';
import { needsCalibration } from '../../core/learning/deciding.js';
import type { Learner } from '../deps.js';

type Watching = Pick<Learner, 'rows' | 'judges' | 'declared' | 'config'>;

/**
 * Measures them on the actions of these versions, as rows in place of those that are there. Of a judge that goes by a
 * reference steps and outcomes are one thing; of an opinion it is what shows that somebody has learned to please it.
 */
export async function watchDrift(
  { rows, judges, declared, config: { calibration } }: Watching,
  versions: readonly number[],
): Promise<readonly Drift[]> {
  const deciding = declared.flatMap(({ name, role }) => (role === 'decides' ? [name] : []));
  const found: Drift[] = [];
  for (const version of new Set(versions))
    for (const judge of judges.filter(({ name }) => deciding.includes(name))) {
      const measured = [
        needsCalibration(judge)
          ? outcomeDrift(await rows.judges.outcomes(version, judge, deciding), calibration.drift)
          : undefined,
        peopleDrift(await rows.judges.agreed(version, judge), calibration.agreement),
      ];
      for (const each of measured)
        if (each !== undefined)
          found.push({ ...each, version, judge: judge.name, judgeVersion: judge.version, createdAt: Date.now() });
    }
  await rows.judges.drifted([...new Set(versions)], found);
  return found;
}
