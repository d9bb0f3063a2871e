/** Asking judges about subjects. A judge that throws or hangs is recorded as absent with its reason, not as a score. */
import { reasonOf } from '../core/errors.js';
import { newId } from '../core/ids.js';
import type { Judge, Judgement, Subject, Verdict } from '../core/learning/judging.js';

/** Milliseconds a judge may take over one subject; then it is absent, and the other judges go on. */
const JUDGE_MS = 60_000;

/** What one judge says of one subject, as a row. Never throws for the judge's fault. */
export async function ask(judge: Judge, subject: Subject, signal: AbortSignal): Promise<Verdict> {
  let judgement: Judgement;
  try {
    judgement = await withTimeout(judge.judge(subject, AbortSignal.any([signal, AbortSignal.timeout(JUDGE_MS)])));
  } catch (fault) {
    judgement = { kind: 'absent', reason: `the judge failed: ${reasonOf(fault)}` };
  }
  return {
    id: newId('vrd'),
    subjectKind: subject.kind,
    subjectId: subject.id,
    judge: judge.name,
    judgeVersion: judge.version,
    ...(judgement.kind === 'verdict' ? { score: judgement.score, good: judgement.good } : {}),
    rationale: judgement.kind === 'verdict' ? judgement.rationale : judgement.reason,
    createdAt: Date.now(),
  };
}

/**
 * Every judge on one subject. Of the rules only `reference` is asked about a trajectory: an outcome is right or wrong,
 * and the others look at one step.
 */
export async function askAll(judges: readonly Judge[], subject: Subject, signal: AbortSignal): Promise<Verdict[]> {
  const applicable =
    subject.kind === 'trajectory'
      ? judges.filter((judge) => judge.name === 'reference' || judge.kind !== 'rule')
      : judges;
  return Promise.all(applicable.map((judge) => ask(judge, subject, signal)));
}

/** The timeout of the signal again, a second later, for a judge that ignores its signal. */
async function withTimeout<T>(judging: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no verdict within ${JUDGE_MS / 1000} s`)), JUDGE_MS + 1_000);
  });
  try {
    return await Promise.race([judging, late]);
  } finally {
    clearTimeout(timer);
  }
}
