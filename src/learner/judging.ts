/** Judging what the log holds: every step and outcome a judge has not yet seen, and every sample of a cycle. */
import { setImmediate as turn } from 'node:timers/promises';

import type { Subject, Unjudged, Verdict } from '../core/learning/judging.js';
import { GYRE_POLICY } from '../core/learning/policy_name.js';
import { askAll } from '../judge/ask.js';
import { samplesOf } from '../store/learning/samples.js';
import { saveVerdicts, unjudgedSteps, verdictsOf } from '../store/learning/verdicts.js';
import { stateOf } from '../store/read/state.js';
import type { Learner } from './deps.js';
import { inParallel } from './pool.js';
import { referenceOf } from './reference.js';

/** Rows judged between two transactions, and between two checks for an interruption. */
const SLICE = 50;
/** Subjects judged at once. */
const CONCURRENCY = 8;

/** Judges every logged step that lacks a verdict of any judge's present version. Returns how many steps it judged. */
export async function judgeLog(learner: Learner): Promise<number> {
  let judged = 0;
  for (const judge of learner.judges) {
    for (;;) {
      learner.signal.throwIfAborted();
      const slice = unjudgedSteps(learner.db, judge, SLICE);
      if (slice.length === 0) break;
      const verdicts: Verdict[] = [];
      await inParallel(slice, CONCURRENCY, async (step) => {
        for (const subject of subjectsOf(learner, step))
          for (const verdict of await askAll([judge], subject, learner.signal)) verdicts.push(verdict);
      });
      saveVerdicts(learner.db, verdicts);
      // Rules and rows never wait for anything, and who asks this process would wait for all of a long log.
      await turn();
      // A step whose state is gone gets no verdict; asking for it again would never end.
      if (verdicts.length === 0) break;
      judged += slice.length;
      learner.progress({ stage: 'judge', done: judged, total: judged, note: judge.name });
    }
  }
  return judged;
}

/** The step, and where it is its trajectory's final answer also the trajectory. */
function subjectsOf(learner: Learner, step: Unjudged): Subject[] {
  const state = stateOf(learner.db, step.stepId);
  if (state === undefined) return [];
  const reference = referenceOf(learner, state, 'step');
  const about = {
    messages: state.messages,
    tools: state.tools,
    text: state.text,
    calls: state.calls,
    index: step.index,
    reference,
  };
  const process: Subject = { kind: 'step', id: step.stepId, ...about };
  return step.last && state.calls.length === 0
    ? [process, { kind: 'trajectory', id: step.trajectoryId, ...about }]
    : [process];
}

/** Judges the samples of a cycle that no judge has seen. Samples are judged in the state they were drawn at. */
export async function judgeSamples(learner: Learner, cycleId: string): Promise<number> {
  const samples = samplesOf(learner.db, GYRE_POLICY, cycleId);
  const known = verdictsOf(
    learner.db,
    'sample',
    samples.map((sample) => sample.id),
  );
  const open = samples.filter((sample) =>
    learner.judges.some(
      (judge) =>
        !known
          .get(sample.id)
          ?.some((verdict) => verdict.judge === judge.name && verdict.judgeVersion === judge.version),
    ),
  );
  const states = new Map<string, ReturnType<typeof stateOf>>();
  for (let from = 0; from < open.length; from += SLICE) {
    const verdicts: Verdict[] = [];
    await inParallel(open.slice(from, from + SLICE), CONCURRENCY, async (sample) => {
      learner.signal.throwIfAborted();
      if (!states.has(sample.stepId)) states.set(sample.stepId, stateOf(learner.db, sample.stepId));
      const state = states.get(sample.stepId);
      if (state === undefined) return;
      const reference = referenceOf(learner, state, 'sample');
      const subject: Subject = {
        kind: 'sample',
        id: sample.id,
        messages: state.messages,
        tools: state.tools,
        text: sample.text,
        calls: sample.calls,
        index: state.index,
        reference,
      };
      for (const verdict of await askAll(learner.judges, subject, learner.signal)) verdicts.push(verdict);
    });
    saveVerdicts(learner.db, verdicts);
    await turn();
    learner.progress({ stage: 'judge_samples', done: Math.min(from + SLICE, open.length), total: open.length });
  }
  return open.length;
}
