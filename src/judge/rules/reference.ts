/** The rule `reference`: whether an action gives its task's reference. The only rule that knows right from wrong. */
import { reasonOf } from '../../core/errors.js';
import type { Judge, Judgement, Subject } from '../../core/learning/judging.js';
import { answersOf } from '../../core/learning/task.js';
import type { ToolCall } from '../../core/message.js';
import type { Toolbox } from '../../core/tool.js';
import { asNumber, sameNumber, states } from './answer.js';
import { absent, bad, good, parseArguments } from './judgements.js';

/**
 * Its words never quote the reference: whoever asked may read them.
 *
 * Of a step, a sample or a trajectory of a task with a reference. An answer is good when it states the reference (any
 * of several), bad when it does not or is empty. A call is evaluated where its tool is pure: good when the result is or
 * contains the reference; bad when the tool does not exist, the call fails, or the result is another number; several
 * calls at once are bad. Absent where the task has no reference, the tool has effects or is not run by this process,
 * and where a result in words does not contain the reference.
 */
export function referenceJudge(toolbox: Toolbox): Judge {
  return {
    name: 'reference',
    version: '5',
    kind: 'rule',
    async judge(subject, signal) {
      const { reference, calls } = subject;
      if (reference === undefined) return absent('the task has no reference');
      const [call] = calls;
      if (call === undefined) {
        if (subject.text.trim() === '') return bad('the answer is empty');
        const stated = answersOf(reference).find((each) => states(subject.text, each));
        return stated === undefined
          ? bad('the answer does not state the reference')
          : good('the answer states the reference');
      }
      if (calls.length > 1) return bad(`${calls.length} calls at once: which of them is meant cannot be told`);
      return evaluateCall(call, subject, answersOf(reference), toolbox, signal);
    },
  };
}

async function evaluateCall(
  call: ToolCall,
  subject: Subject,
  accepted: readonly string[],
  toolbox: Toolbox,
  signal: AbortSignal,
): Promise<Judgement> {
  const tool = toolbox.get(call.name);
  if (tool === undefined) {
    // The client's functions, and tools of servers this process is not connected to.
    const offered = subject.tools.some((spec) => spec.name === call.name);
    return offered ? absent(`"${call.name}" is not run by this process`) : bad(`there is no tool "${call.name}"`);
  }
  if (!tool.pure) return absent(`"${call.name}" has effects and is not evaluated by a judge`);
  const args = parseArguments(call.arguments);
  if (args === undefined) return bad('the arguments are not a JSON object');
  let result: string;
  try {
    result = await tool.run(args, signal);
  } catch (fault) {
    // Nothing was said of the call: it was cut short.
    signal.throwIfAborted();
    return bad(`the call fails: ${reasonOf(fault)}`);
  }
  const value = asNumber(result);
  const wanted = accepted.map(asNumber).filter((each) => each !== undefined);
  if (value !== undefined && wanted.length > 0) {
    return wanted.some((each) => sameNumber(value, each))
      ? good('the call gives the reference')
      : bad(`the call gives ${result.slice(0, 200)}, not the reference`);
  }
  // A passage without the reference may still be a sound first of several searches: a rule cannot tell.
  const contained = accepted.find((each) => states(result, each));
  return contained === undefined
    ? absent('the result neither contains nor excludes the reference')
    : good('the result contains the reference');
}
