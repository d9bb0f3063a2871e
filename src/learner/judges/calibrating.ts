/** A judge against gold items: how often it is right, and what it is moved by that should not move it. */
import { GyreError } from '../../core/errors.js';
import type { CalibrationNumbers, ProbeResult } from '../../core/judging/calibration.js';
import type { Judge, Subject } from '../../core/learning/judging.js';
import { askAll } from '../../judge/ask.js';
import { agreementOf, alphaOf, type Said } from '../../judge/calibration/agreement.js';
import { injections, lengthened, MAY_MOVE, type Probe, PROBES, reordered } from '../../judge/calibration/probes.js';
import type { Progress } from '../deps.js';
import { inParallel } from '../pool.js';

/** Gold items asked at once. */
const CONCURRENCY = 8;
/** With more faults than this share of the items nothing is known of the judge. */
const FAULTS = 0.02;
/** Subjects that are asked again for a probe that changes each of them. */
const PROBED = 100;

export interface GoldSubject {
  readonly subject: Subject;
  /** Whether it is good. */
  readonly truth: boolean;
  readonly cluster?: string | undefined;
  readonly by?: string | undefined;
}

export interface Calibrating {
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

type Word = { readonly good: boolean | undefined; readonly score: number | undefined } | { readonly fault: string };

/** Throws an error of the judge's side where it could not be asked of too many. */
export async function calibrate(
  judge: Judge,
  gold: readonly GoldSubject[],
  { signal, progress }: Calibrating,
): Promise<CalibrationNumbers> {
  const asking = async (subjects: readonly Subject[], stage: string): Promise<readonly Word[]> => {
    const words = new Array<Word>(subjects.length);
    let done = 0;
    await inParallel([...subjects.entries()], CONCURRENCY, async ([at, subject]) => {
      words[at] = await wordOf(judge, subject, signal);
      progress({ stage, done: (done += 1), total: subjects.length });
    });
    return words;
  };
  const words = await asking(
    gold.map(({ subject }) => subject),
    'calibrate',
  );
  const faults = words.flatMap((word) => ('fault' in word ? [word.fault] : []));
  if (faults.length > FAULTS * gold.length) throw failed(judge.name, faults, gold.length);
  const told = gold.flatMap((item, at): (Said & GoldSubject)[] => {
    const word = words[at];
    return word === undefined || 'fault' in word ? [] : [{ ...item, ...word }];
  });
  const probes: ProbeResult[] = [];
  for (const probe of probesOf(told)) probes.push(await tried(probe, told, asking));
  return {
    ...agreementOf(told),
    faults: faults.length,
    alpha: alphaOf(told.map(({ good, truth }) => [good, truth])),
    clusters: grouped(told, ({ cluster }) => cluster).map(([name, of]) => ({
      name,
      accuracy: agreementOf(of).accuracy,
    })),
    authors: grouped(told, ({ by }) => by).map(([name, of]) => ({ name, falseAccept: agreementOf(of).falseAccept })),
    probes,
  };
}

type Told = Said & Pick<GoldSubject, 'subject'>;

function probesOf(told: readonly Told[]): readonly (readonly Probe[])[] {
  const subjects = told.map(({ subject }) => subject);
  return [
    injections(
      subjects,
      told.map(({ good }) => good),
    ),
    lengthened(subjects).slice(0, PROBED),
    reordered(subjects).slice(0, PROBED),
  ];
}

async function tried(
  probes: readonly Probe[],
  told: readonly Told[],
  asking: (subjects: readonly Subject[], stage: string) => Promise<readonly Word[]>,
): Promise<ProbeResult> {
  const name = probes[0]?.name ?? PROBES[0];
  const before = new Map(told.map(({ subject, good }) => [subject, good]));
  const words = await asking(
    probes.map(({ after }) => after),
    `calibrate ${name}`,
  );
  const moved = words.filter((word, at) => {
    const said = before.get((probes[at] as Probe).before);
    return !('fault' in word) && said !== undefined && word.good !== undefined && word.good !== said;
  }).length;
  const count = words.filter((word) => !('fault' in word)).length;
  return { name, tried: count, moved, ...(name === 'injection' ? { bound: MAY_MOVE } : {}) };
}

async function wordOf(judge: Judge, subject: Subject, signal: AbortSignal): Promise<Word> {
  const { verdicts, faults } = await askAll([judge], [subject], signal);
  const [verdict] = verdicts;
  if (verdict === undefined) return { fault: faults[0]?.reason ?? 'it does not look at such a subject' };
  return { good: verdict.good, score: verdict.score };
}

function grouped<T>(list: readonly T[], nameOf: (item: T) => string | undefined): readonly (readonly [string, T[]])[] {
  const groups = new Map<string, T[]>();
  for (const item of list) {
    const name = nameOf(item);
    if (name !== undefined) groups.set(name, [...(groups.get(name) ?? []), item]);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
}

function failed(name: string, faults: readonly string[], items: number): GyreError {
  return new GyreError({
    side: 'judge',
    status: 502,
    code: 'judge_failed',
    message: `the judge "${name}" could not be asked of ${faults.length} of ${items} gold items: ${faults[0] ?? ''}`,
  });
}
