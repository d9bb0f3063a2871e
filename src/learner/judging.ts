/** Judging what the log holds: every step and outcome a judge has not yet seen, and every sample of a cycle. */
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';

import { type DeclaredJudge, needsReference } from '../core/learning/deciding.js';
import type { Judge, Judged, JudgeFault, JudgeRef, Subject, Unjudged, Verdict } from '../core/learning/judging.js';
import type { Sample } from '../core/learning/sample.js';
import type { AskedState } from '../core/learning/state.js';
import { askAll, looksAt } from '../judge/ask.js';
import { Patience } from '../judge/patience.js';
import type { Learner } from './deps.js';
import { inParallel } from './pool.js';
import { referred } from './reference.js';

/** Subjects judged between two transactions, and between two checks for an interruption. */
const SLICE = 500;
/** Subjects judged at once. */
const CONCURRENCY = 8;
/** A sample that a judge failed at is judged again after these waits: its batch cannot wait for an hour. */
const AGAIN_MS: readonly number[] = [5_000, 10_000];
/** Who can tell only after this, as when a day's budget is spent, is not waited for. */
const LONG_MS = 60_000;

type Judging = Pick<Learner, 'rows' | 'judges' | 'declared' | 'toolbox' | 'signal' | 'progress'>;

/** How many judgements were made; and where there were any, how many judges failed, and how many nobody declared. */
export type JudgingCounts = { readonly judged: number } & Partial<Record<'judge_faults' | 'unknown_judge', number>>;

/**
 * Judges every logged step that lacks a verdict of any judge's present version. A judge that fails again and again is
 * left where it is, and the others go on: it is tried the next time.
 */
export async function judgeLog({ rows, judges, declared, toolbox, signal, progress }: Judging): Promise<JudgingCounts> {
  while (await rows.verdicts.redecide()) {
    signal.throwIfAborted();
    await turn();
  }
  const total = { verdicts: 0, faults: 0, unknown: 0 };
  const patience = new Patience();
  for (;;) {
    signal.throwIfAborted();
    const asking = judges.filter(({ name }) => !patience.isOutWith(name));
    const slice = await rows.verdicts.unjudged(asking, SLICE, Date.now());
    if (slice === undefined) break;
    // Whoever has a reference looks at the action alone.
    const after = asking.every(needsReference) ? undefined : 'after';
    const states = await rows.steps.asked([...new Set(slice.subjects.map(({ stepId }) => stepId))], after);
    const toAsk = slice.subjects.flatMap((unjudged) =>
      toAskOf(unjudged, states.get(unjudged.stepId), { judges: asking, declared, toolbox }),
    );
    const judged = await judgedOf(toAsk, signal, patience);
    await rows.verdicts.save(judged, slice.turn);
    // Rules and rows never wait for anything, and who asks this process would wait for all of a long log.
    await turn();
    total.verdicts += judged.verdicts.length;
    total.faults += judged.faults.length;
    total.unknown += unknownIn(judged.verdicts, declared);
    progress({ stage: 'judge', done: total.verdicts, total: total.verdicts });
  }
  while (await rows.verdicts.overheard()) {
    signal.throwIfAborted();
    await turn();
  }
  return { judged: total.verdicts, ...faultsOf(total.faults, total.unknown) };
}

/** A subject, and who is to look at it. */
export interface ToAsk {
  readonly subject: Subject;
  readonly stepId: string;
  readonly judges: readonly Judge[];
  /** Whether a judge that knows right from wrong has what it takes to tell. */
  readonly gradable: boolean;
}

type Asking = Pick<Learner, 'judges' | 'declared' | 'toolbox'>;

/** Nothing where the state is gone, or no judge looks at such a subject. */
export function toAskOf(
  { kind, id, stepId, judges: names }: Unjudged,
  asked: AskedState | undefined,
  { judges, declared, toolbox }: Asking,
): readonly ToAsk[] {
  const asking = judges.filter((judge) => names.includes(judge.name) && looksAt(judge, { kind }));
  if (asked === undefined || asking.length === 0) return [];
  const { messages, tools, text, calls, index } = asked.state;
  const task = referred(asked, kind, toolbox);
  const gradable = isGradable(task.reference, judges, declared);
  const { after, feedback } = asked;
  const subject: Subject = { kind, id, messages, tools, text, calls, after, feedback, index, ...task };
  return [{ subject, stepId, judges: asking, gradable }];
}

/** A sample is judged in the state it was drawn at. */
function toAskOfSample(
  { id, stepId, text, calls }: Sample,
  asked: AskedState | undefined,
  { judges, declared, toolbox }: Asking,
): readonly ToAsk[] {
  if (asked === undefined) return [];
  const { messages, tools, index } = asked.state;
  const task = referred(asked, 'sample', toolbox);
  const subject: Subject = { kind: 'sample', id, messages, tools, text, calls, index, ...task };
  return [{ subject, stepId, judges, gradable: isGradable(task.reference, judges, declared) }];
}

/** Whether a judge that knows right from wrong has what it takes: a model needs no reference. */
function isGradable(reference: unknown, judges: readonly Judge[], declared: readonly DeclaredJudge[]): boolean {
  return (
    reference !== undefined ||
    judges.some(
      (judge) => !needsReference(judge) && declared.some(({ name, role }) => name === judge.name && role === 'decides'),
    )
  );
}

/** What the judges say; throws where `signal` has fired, so that nothing of it is kept. */
export async function judgedOf(
  toAsk: readonly ToAsk[],
  signal: AbortSignal,
  patience = new Patience(),
): Promise<Judged> {
  const verdicts: Verdict[] = [];
  const faults: JudgeFault[] = [];
  const groups = groupsOf(toAsk);
  const largest = Math.max(1, ...groups.map(({ length }) => length));
  await inParallel(groups, Math.max(1, Math.floor(CONCURRENCY / largest)), async (group) => {
    const judges = group[0]?.judges ?? [];
    for (const { name, version } of judges.filter((judge) => patience.isOutWith(judge.name)))
      for (const { subject, stepId } of group) {
        const about = { subjectKind: subject.kind, subjectId: subject.id, stepId };
        faults.push({ ...about, judge: name, judgeVersion: version, ...patience.notAsking(name) });
      }
    const asking = judges.filter((judge) => !patience.isOutWith(judge.name));
    const steps = new Map(group.map(({ subject, stepId }) => [subject.id, stepId]));
    const said = await askAll(
      asking,
      group.map(({ subject }) => subject),
      signal,
    );
    for (const verdict of said.verdicts) {
      verdicts.push(verdict);
      patience.saw(verdict.judge);
    }
    for (const fault of said.faults) {
      faults.push({ ...fault, stepId: steps.get(fault.subjectId) ?? '' });
      patience.saw(fault.judge, fault);
    }
  });
  return { verdicts, faults, gradable: new Set(toAsk.flatMap((each) => (each.gradable ? [each.subject.id] : []))) };
}

/** What was drawn in one state is looked at together, a logged action by itself, by all that have to look at it. */
function groupsOf(toAsk: readonly ToAsk[]): readonly (readonly ToAsk[])[] {
  const subjects = new Map<string, ToAsk>();
  for (const each of toAsk) {
    const key = JSON.stringify([each.subject.kind, each.subject.id]);
    const known = subjects.get(key);
    subjects.set(
      key,
      known === undefined ? each : { ...known, judges: [...new Set([...known.judges, ...each.judges])] },
    );
  }
  const groups = new Map<string, ToAsk[]>();
  for (const [key, each] of subjects) {
    const group =
      each.subject.kind === 'sample' ? JSON.stringify([each.stepId, each.judges.map(({ name }) => name)]) : key;
    const list = groups.get(group);
    if (list === undefined) groups.set(group, [each]);
    else list.push(each);
  }
  return [...groups.values()];
}

/** Judges the samples of a cycle that a judge has not seen; where one fails, again after a little while. */
export async function judgeSamples(
  { rows, judges, declared, toolbox, signal, progress }: Judging,
  cycleId: string,
  waits: readonly number[] = AGAIN_MS,
): Promise<Omit<JudgingCounts, 'judged'> & { readonly judged_samples: number }> {
  const samples = await rows.samples.of(cycleId);
  const known = await rows.verdicts.of(
    'sample',
    samples.map(({ id }) => id),
  );
  let open = samples.flatMap((sample) => {
    const lacking = lackingOf(known.get(sample.id) ?? [], judges);
    return lacking.length === 0 ? [] : [{ sample, judges: lacking }];
  });
  const total = open.length;
  const counts = { faults: 0, unknown: 0 };
  for (const wait of [0, ...waits]) {
    if (wait > 0) await sleep(wait, undefined, { signal });
    const patience = new Patience();
    const failed = new Map<string, Set<string>>();
    let soon = false;
    for (let from = 0; from < open.length; from += SLICE) {
      signal.throwIfAborted();
      const slice = open.slice(from, from + SLICE);
      const states = await rows.steps.asked([...new Set(slice.map(({ sample }) => sample.stepId))]);
      const judged = await judgedOf(
        slice.flatMap((each) =>
          toAskOfSample(each.sample, states.get(each.sample.stepId), { judges: each.judges, declared, toolbox }),
        ),
        signal,
        patience,
      );
      await rows.verdicts.save(judged);
      await turn();
      for (const { subjectId, judge, retryAfterMs = 0 } of judged.faults) {
        failed.set(subjectId, (failed.get(subjectId) ?? new Set()).add(judge));
        soon ||= retryAfterMs <= LONG_MS;
      }
      counts.unknown += unknownIn(judged.verdicts, declared);
      progress({ stage: 'judge_samples', done: Math.min(from + SLICE, open.length), total: open.length });
    }
    open = open.flatMap(({ sample, judges: asked }) => {
      const again = asked.filter(({ name }) => failed.get(sample.id)?.has(name) === true);
      return again.length === 0 ? [] : [{ sample, judges: again }];
    });
    counts.faults = open.reduce((sum, { judges: again }) => sum + again.length, 0);
    if (!soon) break;
  }
  return { judged_samples: total, ...faultsOf(counts.faults, counts.unknown) };
}

/** The judges without a verdict of their present version. */
function lackingOf(known: readonly Verdict[], judges: readonly Judge[]): readonly Judge[] {
  return judges.filter(
    ({ name, version }) => !known.some((verdict) => verdict.judge === name && verdict.judgeVersion === version),
  );
}

/** By subject: judges that were to look at it and have said nothing, because they failed or have not come so far. */
export function unheardOf(
  subjects: readonly string[],
  said: ReadonlyMap<string, readonly Verdict[]>,
  judges: readonly JudgeRef[],
): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(
    subjects.map((id) => {
      const heard = new Set((said.get(id) ?? []).map(({ judge }) => judge));
      return [id, new Set(judges.map(({ name }) => name).filter((name) => !heard.has(name)))] as const;
    }),
  );
}

function unknownIn(verdicts: readonly Verdict[], declared: readonly DeclaredJudge[]): number {
  return verdicts.filter(({ judge }) => !declared.some(({ name }) => name === judge)).length;
}

function faultsOf(faults: number, unknown: number): Omit<JudgingCounts, 'judged'> {
  return {
    ...(faults > 0 ? { judge_faults: faults } : {}),
    ...(unknown > 0 ? { unknown_judge: unknown } : {}),
  };
}
