/** Judges that look at each of a group by itself, and groups of one. */
import { GyreError, reasonOf } from '../core/errors.js';
import type { Judge, JudgeCost, Judgement, NotJudged, Subject } from '../core/learning/judging.js';
import { onAbort } from '../core/running/abort.js';

type Said = Judgement | NotJudged;
export type JudgeOfOne = (subject: Subject, signal: AbortSignal) => Promise<Said> | Said;

/** Where it fails at one subject, or is not done when the signal fires, it has failed at that one. */
export function oneByOne(judge: JudgeOfOne): Judge['judge'] {
  return (subjects, signal) =>
    Promise.all(
      subjects.map(async (subject) => {
        try {
          return await beforeAbort(Promise.resolve(judge(subject, signal)), signal);
        } catch (thrown) {
          return notJudged(thrown);
        }
      }),
    );
}

/** `cost`: what was taken until it failed. */
export function notJudged(thrown: unknown, cost?: JudgeCost): NotJudged {
  const retryAfterMs = thrown instanceof GyreError ? thrown.retryAfterMs : undefined;
  return {
    kind: 'fault',
    reason: reasonOf(thrown),
    ...(cost === undefined ? {} : { cost }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** What a judge says of one subject. Throws where it fails. */
export async function judgementOf(
  judge: Pick<Judge, 'judge'>,
  subject: Subject,
  signal: AbortSignal,
): Promise<Judgement> {
  const [said] = await judge.judge([subject], signal);
  if (said !== undefined && said.kind !== 'fault') return said;
  signal.throwIfAborted();
  const message = said?.reason ?? 'it has not answered';
  throw new GyreError({ side: 'judge', status: 502, code: 'judge_failed', message, retryAfterMs: said?.retryAfterMs });
}

/** Who listens to the signal has a little while to say what was taken. */
const GRACE_MS = 500;

async function beforeAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let leave: (reason: unknown) => void = () => undefined;
  let timer: NodeJS.Timeout | undefined;
  const left = new Promise<never>((_, reject) => (leave = reject));
  const stop = onAbort(signal, () => (timer = setTimeout(() => leave(signal.reason), GRACE_MS)));
  try {
    return await Promise.race([promise, left]);
  } finally {
    stop();
    clearTimeout(timer);
  }
}
