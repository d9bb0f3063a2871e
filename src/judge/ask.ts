/** Running judges over subjects. A judge that fails is absent with its reason; nothing becomes a number by accident. */
import { reasonOf } from '../core/errors.js';
import { newId } from '../core/ids.js';
import type { Judge, Judgement, Subject, Verdict } from '../core/learning/judging.js';

/** Milliseconds a judge may take over one subject; one that hangs is absent, and the rest goes on. */
const JUDGE_MS = 60_000;

/** What one judge says of one subject, as a row. Never throws for the judge's fault. */
export async function ask(judge: Judge, subject: Subject, signal: AbortSignal): Promise<Verdict> {
  let judgement: Judgement;
  try {
    judgement = await inTime(judge.judge(subject, AbortSignal.any([signal, AbortSignal.timeout(JUDGE_MS)])));
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

/** Every judge on one subject. A trajectory is judged by its reference only: that is its outcome. */
export async function askAll(judges: readonly Judge[], subject: Subject, signal: AbortSignal): Promise<Verdict[]> {
  const concerned =
    subject.kind === 'trajectory'
      ? judges.filter((judge) => judge.name === 'reference' || judge.kind !== 'rule')
      : judges;
  return Promise.all(concerned.map((judge) => ask(judge, subject, signal)));
}

/** A judge that does not heed its signal is left behind all the same. */
async function inTime<T>(judging: Promise<T>): Promise<T> {
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
