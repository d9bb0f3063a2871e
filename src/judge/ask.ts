/** Asking judges about subjects. A judge that throws or hangs has said nothing: that is a fault, and no verdict. */
import { z } from 'zod';

import { faultOf } from '../core/check.js';
import { reasonOf } from '../core/errors.js';
import { newId } from '../core/ids.js';
import type { Judge, JudgeFault, Judgement, Subject, Verdict } from '../core/learning/judging.js';
import { onAbort } from '../core/running/abort.js';

/** Milliseconds a judge may take over one subject where it asks for no more; then it has failed, the others go on. */
const JUDGE_MS = 60_000;
/** A judge that ignores its signal is left to itself this much later. */
const GRACE_MS = 1_000;

/** What a judge may answer: anything else is none. */
const Answer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('verdict'), score: z.number().min(0).max(1), good: z.boolean(), rationale: z.string() }),
  z.object({ kind: z.literal('absent'), reason: z.string() }),
]);

/** A fault, as far as it is known of the subject alone. */
type Fault = Omit<JudgeFault, 'stepId'>;

/**
 * What each judge says of one subject, as rows. Never throws for a judge's fault; throws where `signal` has fired,
 * since nobody knows then whether a judge failed or was cut short.
 */
export async function askAll(
  judges: readonly Judge[],
  subject: Subject,
  signal: AbortSignal,
): Promise<{ readonly verdicts: readonly Verdict[]; readonly faults: readonly Fault[] }> {
  const verdicts: Verdict[] = [];
  const faults: Fault[] = [];
  await Promise.all(
    judges
      .filter((judge) => looksAt(judge, subject))
      .map(async (judge) => {
        const said = await ask(judge, subject, signal);
        if ('reason' in said) faults.push(said);
        else verdicts.push(said);
      }),
  );
  return { verdicts, faults };
}

/** Of the rules only `reference` is asked about an outcome, which is right or wrong: the others look at one step. */
export function looksAt(judge: Pick<Judge, 'name' | 'kind'>, { kind }: Pick<Subject, 'kind'>): boolean {
  return (kind !== 'response' && kind !== 'trajectory') || judge.name === 'reference' || judge.kind !== 'rule';
}

async function ask(judge: Judge, subject: Subject, signal: AbortSignal): Promise<Verdict | Fault> {
  const row = {
    subjectKind: subject.kind,
    subjectId: subject.id,
    judge: judge.name,
    judgeVersion: judge.version,
  };
  let judgement: Judgement;
  try {
    judgement = understood(await judgedInTime(judge, subject, signal));
  } catch (fault) {
    signal.throwIfAborted();
    return { ...row, reason: reasonOf(fault) };
  }
  // What came of it may be the work of the signal.
  signal.throwIfAborted();
  return {
    id: newId('vrd'),
    ...row,
    ...(judgement.kind === 'verdict' ? { score: judgement.score, good: judgement.good } : {}),
    ...(judgement.kind === 'verdict' && judgement.confidence !== undefined ? { confidence: judgement.confidence } : {}),
    ...(judgement.cost === undefined ? {} : { cost: judgement.cost }),
    rationale: judgement.kind === 'verdict' ? judgement.rationale : judgement.reason,
    createdAt: Date.now(),
  };
}

/** Throws where a judge has answered what is no judgement. */
function understood(answer: Judgement): Judgement {
  const { error } = Answer.safeParse(answer);
  if (error === undefined) return answer;
  const { path, says } = faultOf(error, answer);
  throw new Error(`its answer is no judgement: ${path.length === 0 ? '' : `"${path.join('.')}" `}${says}`);
}

/** Throws where the judge does, where it is not done in time, and at once where `signal` fires. */
async function judgedInTime(judge: Judge, subject: Subject, signal: AbortSignal): Promise<Judgement> {
  signal.throwIfAborted();
  const own = new AbortController();
  const patience = judge.patienceMs ?? JUDGE_MS;
  const late = new Error(`no verdict within ${patience / 1000} s`);
  let giveUp: (reason: unknown) => void = () => undefined;
  const over = new Promise<never>((_, reject) => (giveUp = reject));
  const end = onAbort(signal, () => {
    own.abort(signal.reason);
    giveUp(signal.reason);
  });
  const soon = setTimeout(() => own.abort(late), patience);
  const last = setTimeout(() => giveUp(late), patience + GRACE_MS);
  try {
    return await Promise.race([judge.judge(subject, own.signal), over]);
  } finally {
    clearTimeout(soon);
    clearTimeout(last);
    end();
  }
}
