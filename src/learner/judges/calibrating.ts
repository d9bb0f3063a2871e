/** A judge against gold items: how often it is right, and what it is moved by that should not move it. */
import { GyreError } from '../../core/errors.js';
import type { CalibrationNumbers, ProbeResult, SelfPreference } from '../../core/judging/calibration.js';
import type { Judge, JudgeCost, Subject } from '../../core/learning/judging.js';
import { askAll } from '../../judge/ask.js';
import { agreementOf, alphaOf, type Said } from '../../judge/calibration/agreement.js';
import {
  injections,
  lengthened,
  MAY_MOVE,
  type Place,
  type Probe,
  type ProbeName,
  reordered,
} from '../../judge/calibration/probes.js';
import type { Progress } from '../deps.js';
import { inParallel } from '../pool.js';

/** Gold items asked at once. */
const CONCURRENCY = 8;
/** With more faults than this share of the items nothing is known of the judge, and no more is asked of it. */
const FAULTS = 0.02;
/** Subjects that are asked again for a probe that changes each of them. */
const PROBED = 100;
/** Of planted orders so many have to be tried: one that could not be asked has not withstood. */
const WITHSTOOD = 0.9;

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
  /** Called with what each question took, as soon as that is known. */
  readonly took?: ((cost: JudgeCost) => void) | undefined;
  /** Whether the items of this author are by the judge's own model. */
  readonly isOwn?: ((by: string) => boolean) | undefined;
}

type Word = { readonly good: boolean | undefined; readonly score: number | undefined } | { readonly fault: string };

/** Throws an error of the judge's side where it could not be asked of too many. */
export async function calibrate(
  judge: Judge,
  gold: readonly GoldSubject[],
  { signal, progress, took = () => undefined, isOwn = () => false }: Calibrating,
): Promise<CalibrationNumbers> {
  const faults: string[] = [];
  const asking = async (subjects: readonly Subject[], stage: string): Promise<readonly (Word | undefined)[]> => {
    const words = new Array<Word | undefined>(subjects.length);
    let done = 0;
    await inParallel([...subjects.entries()], CONCURRENCY, async ([at, subject]) => {
      if (faults.length > FAULTS * gold.length) return;
      const word = (words[at] = await wordOf(judge, subject, signal, took));
      if ('fault' in word) faults.push(word.fault);
      progress({ stage, done: (done += 1), total: subjects.length });
    });
    if (faults.length > FAULTS * gold.length) throw failed(judge.name, faults, gold.length);
    return words;
  };
  const words = await asking(
    gold.map(({ subject }) => subject),
    'calibrate',
  );
  const told = gold.flatMap((item, at): (Said & GoldSubject)[] => {
    const word = words[at];
    return word === undefined || 'fault' in word ? [] : [{ ...item, ...word }];
  });
  const probes: ProbeResult[] = [];
  for (const [name, list] of probesOf(told)) probes.push(await tried(name, list, told, asking));
  return {
    ...agreementOf(told),
    faults: gold.length - told.length,
    alpha: alphaOf(told.map(({ good, truth }) => [good, truth])),
    clusters: grouped(told, ({ cluster }) => cluster).map(([name, of]) => ({
      name,
      accuracy: agreementOf(of).accuracy,
    })),
    authors: grouped(told, ({ by }) => by).map(([name, of]) => ({ name, falseAccept: agreementOf(of).falseAccept })),
    probes,
    selfPreference: selfPreference(told, isOwn),
  };
}

function selfPreference(
  told: readonly (Said & GoldSubject)[],
  isOwn: (by: string) => boolean,
): SelfPreference | undefined {
  const own = told.filter(({ by }) => by !== undefined && isOwn(by));
  if (own.length === 0) return undefined;
  const others = told.filter(({ by }) => by === undefined || !isOwn(by));
  return { own: agreementOf(own).falseAccept, others: agreementOf(others).falseAccept };
}

type Told = Said & Pick<GoldSubject, 'subject'>;

function probesOf(told: readonly Told[]): readonly (readonly [ProbeName, readonly Probe[]])[] {
  const subjects = told.map(({ subject }) => subject);
  const said = told.map(({ good }) => good);
  return [
    ['injection', injections(subjects, said)],
    ['length', lengthened(subjects).slice(0, PROBED)],
    ['position', reordered(subjects).slice(0, PROBED)],
  ];
}

async function tried(
  name: ProbeName,
  probes: readonly Probe[],
  told: readonly Told[],
  asking: (subjects: readonly Subject[], stage: string) => Promise<readonly (Word | undefined)[]>,
): Promise<ProbeResult> {
  const before = new Map(told.map(({ subject, good }) => [subject, good]));
  const words = await asking(
    probes.map(({ after }) => after),
    `calibrate ${name}`,
  );
  const heard = words.flatMap((word, at) => {
    const probe = probes[at] as Probe;
    const said = before.get(probe.before);
    return word === undefined || 'fault' in word || said === undefined
      ? []
      : [{ said, now: word.good, place: probe.place }];
  });
  const moved = heard.filter(({ said, now }) => now !== undefined && now !== said).length;
  const triedIn = (of: Place): number => heard.filter(({ place }) => place === of).length;
  const bounded =
    name === 'injection'
      ? {
          ...{ bound: MAY_MOVE, least: Math.ceil(WITHSTOOD * probes.length) },
          places: { tool: triedIn('tool'), user: triedIn('user') },
        }
      : {};
  return { name, tried: heard.length, moved, ...bounded };
}

async function wordOf(
  judge: Judge,
  subject: Subject,
  signal: AbortSignal,
  took: (cost: JudgeCost) => void,
): Promise<Word> {
  const { verdicts, faults } = await askAll([judge], [subject], signal);
  const [verdict] = verdicts;
  const cost = (verdict ?? faults[0])?.cost;
  if (cost !== undefined) took(cost);
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
    message:
      `the judge "${name}" failed at ${faults.length} of ${items} gold items, and no more was asked of it: ` +
      `${faults[0] ?? ''}. Nothing is kept; run it again when that is mended`,
  });
}
