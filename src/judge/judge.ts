/** Running judges over subjects. A judge that fails is absent with its reason; nothing becomes a number by accident. */
import { reasonOf } from '../core/errors.js';
import { newId } from '../core/ids.js';
import type { Judge, Judgement, Subject, Verdict } from '../core/learning.js';

/** What one judge says of one subject, as a row. Never throws for the judge's fault. */
export async function ask(judge: Judge, subject: Subject, signal: AbortSignal): Promise<Verdict> {
  let judgement: Judgement;
  try {
    judgement = await judge.judge(subject, signal);
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
  const concerned = subject.kind === 'trajectory' ? judges.filter((judge) => judge.name === 'reference' || judge.kind !== 'rule') : judges;
  return Promise.all(concerned.map((judge) => ask(judge, subject, signal)));
}
