/** Judges that look at each of a group by itself, and groups of one. */
import { GyreError, reasonOf } from '../core/errors.js';
import type { Judge, Judgement, Subject } from '../core/learning/judging.js';

export type JudgeOfOne = (subject: Subject, signal: AbortSignal) => Promise<Judgement> | Judgement;

/** Where it fails at one subject, it has failed at that one. */
export function oneByOne(judge: JudgeOfOne): Judge['judge'] {
  return (subjects, signal) =>
    Promise.all(
      subjects.map(async (subject) => {
        try {
          return await judge(subject, signal);
        } catch (thrown) {
          signal.throwIfAborted();
          return { kind: 'fault', reason: reasonOf(thrown) } as const;
        }
      }),
    );
}

/** What a judge says of one subject. Throws where it fails. */
export async function judgementOf(
  judge: Pick<Judge, 'judge'>,
  subject: Subject,
  signal: AbortSignal,
): Promise<Judgement> {
  const [said] = await judge.judge([subject], signal);
  if (said !== undefined && said.kind !== 'fault') return said;
  const message = said?.reason ?? 'it has not answered';
  throw new GyreError({ side: 'judge', status: 502, code: 'judge_failed', message });
}
