/** Asking judges about subjects. A judge that throws or hangs has said nothing: that is a fault, and no verdict. */
import { setMaxListeners } from 'node:events';

import { z } from 'zod';

import { faultOf } from '../core/check.js';
import { newId } from '../core/ids.js';
import type { Judge, JudgeFault, Judgement, JudgeRef, NotJudged, Subject, Verdict } from '../core/learning/judging.js';
import { onAbort } from '../core/running/abort.js';
import { notJudged } from './one_by_one.js';

/** Milliseconds a judge may take over a group where it asks for no more; then it has failed, the others go on. */
const JUDGE_MS = 60_000;
/** A judge that ignores its signal is left to itself this much later. */
const GRACE_MS = 1_000;
/** Where a limit has held it back, it is looked again after this long at the earliest. */
const LOOK_MS = 100;

/** What a judge may answer: anything else is none. */
const Answer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('verdict'), score: z.number().min(0).max(1), good: z.boolean(), rationale: z.string() }),
  z.object({ kind: z.literal('absent'), reason: z.string() }),
  z.object({ kind: z.literal('fault'), reason: z.string() }),
]);

/** A fault, as far as it is known of the subject alone. */
type Fault = Omit<JudgeFault, 'stepId'>;

/**
 * What each judge says of a group of subjects, as rows. Never throws for a judge's fault; throws where `signal` has
 * fired, since nobody knows then whether a judge failed or was cut short.
 */
export async function askAll(
  judges: readonly Judge[],
  subjects: readonly Subject[],
  signal: AbortSignal,
): Promise<{ readonly verdicts: readonly Verdict[]; readonly faults: readonly Fault[] }> {
  const verdicts: Verdict[] = [];
  const faults: Fault[] = [];
  await Promise.all(
    judges.map(async (judge) => {
      const group = subjects.filter((subject) => looksAt(judge, subject));
      if (group.length === 0) return;
      for (const said of await ask(judge, group, signal))
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

async function ask(
  judge: Judge,
  subjects: readonly Subject[],
  signal: AbortSignal,
): Promise<readonly (Verdict | Fault)[]> {
  // Read before: that of a judge which is trained may move on meanwhile, and making one takes a look at its rows.
  const { name, version } = judge;
  let judgements: readonly unknown[];
  try {
    judgements = await judgedInTime(judge, subjects, signal);
    if (!Array.isArray(judgements) || judgements.length !== subjects.length)
      throw new Error(`it has not answered of each of ${subjects.length} subjects`);
  } catch (fault) {
    signal.throwIfAborted();
    judgements = subjects.map(() => notJudged(fault));
  }
  // What came of it may be the work of the signal.
  signal.throwIfAborted();
  return subjects.map((subject, at) => rowOf({ name, version }, subject, understood(judgements[at])));
}

function rowOf({ name, version }: JudgeRef, { kind, id }: Subject, said: Judgement | NotJudged): Verdict | Fault {
  const row = { subjectKind: kind, subjectId: id, judge: name, judgeVersion: version };
  if (said.kind === 'fault') {
    const { kind: _, ...failure } = said;
    return { ...row, ...failure };
  }
  return {
    id: newId('vrd'),
    ...row,
    ...(said.kind === 'verdict' ? { score: said.score, good: said.good } : {}),
    ...(said.kind === 'verdict' && said.confidence !== undefined ? { confidence: said.confidence } : {}),
    ...(said.cost === undefined ? {} : { cost: said.cost }),
    rationale: said.kind === 'verdict' ? said.rationale : said.reason,
    createdAt: Date.now(),
  };
}

/** A fault where a judge has answered what is no judgement. */
function understood(answer: unknown): Judgement | NotJudged {
  const { error } = Answer.safeParse(answer);
  if (error === undefined) return answer as Judgement | NotJudged;
  const { path, says } = faultOf(error, answer);
  const where = path.length === 0 ? '' : `"${path.join('.')}" `;
  return { kind: 'fault', reason: `its answer is no judgement: ${where}${says}` };
}

/**
 * Throws where the judge does, where it is not done in time, and at once where `signal` fires. While a limit holds a
 * judge back its time stands still.
 */
async function judgedInTime(
  judge: Judge,
  subjects: readonly Subject[],
  signal: AbortSignal,
): Promise<readonly unknown[]> {
  signal.throwIfAborted();
  const own = new AbortController();
  // Each of a group, and each opinion about it, listens.
  setMaxListeners(0, own.signal);
  const patience = judge.patienceMs ?? JUDGE_MS;
  const taken = (): number => performance.now() - (judge.heldMs?.() ?? 0);
  const began = taken();
  const late = new Error(`no verdict within ${patience / 1000} s`);
  let giveUp: (reason: unknown) => void = () => undefined;
  const over = new Promise<never>((_, reject) => (giveUp = reject));
  const end = onAbort(signal, () => {
    own.abort(signal.reason);
    giveUp(signal.reason);
  });
  let timer: NodeJS.Timeout;
  const look = (): void => {
    const left = patience - (taken() - began);
    if (left > 0) {
      timer = setTimeout(look, Math.max(left, LOOK_MS));
      return;
    }
    own.abort(late);
    timer = setTimeout(() => giveUp(late), GRACE_MS);
  };
  timer = setTimeout(look, patience);
  try {
    return await Promise.race([judge.judge(subjects, own.signal), over]);
  } finally {
    clearTimeout(timer);
    end();
  }
}
