/** The rule `reference`: whether an action gives its task's reference. The only rule that knows right from wrong. */
import { GyreError, reasonOf } from '../../core/errors.js';
import type { Judge, Judgement, Subject } from '../../core/learning/judging.js';
import { answersOf } from '../../core/learning/task.js';
import { textOf, type ToolCall } from '../../core/message.js';
import type { Toolbox } from '../../core/tool.js';
import { contains } from './answers/contains.js';
import { states } from './answers/states.js';
import { oneByOne } from '../one_by_one.js';
import { absent, bad, good, parseArguments } from './judgements.js';

/**
 * Its words never quote the reference: whoever asked may read them.
 *
 * Of a step, a sample or a trajectory of a task with a reference. An answer is good when it states the reference (any
 * of several), bad when it does not or is empty. A call is evaluated where its tool is pure: good when the result is or
 * contains the reference. Whatever else a call gives may be what a later one needs, so the rule is absent; it is bad
 * only what certainly gives nothing: a tool that does not exist, arguments that are none, a call that its tool refuses.
 * Of several calls at once none is evaluated, since it cannot be told which is meant. Absent also where the task has no
 * reference, and where the tool has effects or is not run by this process.
 */
export function referenceJudge(toolbox: Toolbox): Judge {
  return {
    name: 'reference',
    version: '6',
    kind: 'rule',
    judge: oneByOne(async (subject, signal) => {
      const { reference, calls } = subject;
      if (reference === undefined) return absent('the task has no reference');
      const [call] = calls;
      if (call === undefined) {
        if (subject.text.trim() === '') return bad('the answer is empty');
        return states(subject.text, answersOf(reference), questionOf(subject))
          ? good('the answer states the reference')
          : bad('the answer does not state the reference');
      }
      for (const each of calls) {
        const fault = faultIn(each, subject, toolbox);
        if (fault !== undefined) return bad(fault);
      }
      if (calls.length > 1) return absent(`${calls.length} calls at once: which of them is meant cannot be told`);
      return evaluateCall(call, answersOf(reference), toolbox, signal);
    }),
  };
}

/** What its user said last. */
export function questionOf({ messages }: Subject): string {
  const asked = messages.findLast(({ role }) => role === 'user');
  return asked === undefined ? '' : textOf(asked.content);
}

/** Why a call certainly gives nothing, without running it. */
function faultIn({ name, arguments: args }: ToolCall, { tools }: Subject, toolbox: Toolbox): string | undefined {
  if (!toolbox.has(name) && !tools.some((spec) => spec.name === name)) return `there is no tool "${name}"`;
  return parseArguments(args) === undefined ? 'the arguments are not a JSON object' : undefined;
}

async function evaluateCall(
  call: ToolCall,
  accepted: readonly string[],
  toolbox: Toolbox,
  signal: AbortSignal,
): Promise<Judgement> {
  const tool = toolbox.get(call.name);
  // The client's functions, and tools of servers this process is not connected to.
  if (tool === undefined) return absent(`"${call.name}" is not run by this process`);
  if (!tool.pure) return absent(`"${call.name}" has effects and is not evaluated by a judge`);
  let result: string;
  try {
    result = await tool.run(parseArguments(call.arguments), signal);
  } catch (fault) {
    // Nothing was said of the call: it was cut short.
    signal.throwIfAborted();
    // A tool that is down says nothing of the call either: the judge has failed, and is asked again.
    if (!(fault instanceof GyreError) || fault.side !== 'client') throw fault;
    if (fault.code === 'unfinished') return absent(`the call was not finished: ${reasonOf(fault)}`);
    return bad(`the call fails: ${reasonOf(fault)}`);
  }
  return contains(result, accepted)
    ? good('the call gives the reference')
    : absent('the call gives something else, which a later step may need');
}
