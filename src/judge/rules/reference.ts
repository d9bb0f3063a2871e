/** The rule `reference`: whether an action gives its task's reference. The only rule that knows right from wrong. */
import { GyreError, reasonOf } from '../../core/errors.js';
import { NO_REFERENCE } from '../../core/learning/deciding.js';
import type { Judge, Judgement, Subject } from '../../core/learning/judging.js';
import { type AnswerMetric, answersOf } from '../../core/learning/task.js';
import { textOf, type ToolCall } from '../../core/message.js';
import type { Toolbox } from '../../core/tool.js';
import { canonicalJson } from '../../core/text/hash.js';
import { exactMatch, f1 } from '../../tasks/metrics.js';
import { contains, names } from './answers/contains.js';
import { states } from './answers/states.js';
import { oneByOne } from '../one_by_one.js';
import { absent, bad, good, parseArguments } from './judgements.js';

/**
 * Its words never quote the reference: whoever asked may read them.
 *
 * Of a step, a sample or a trajectory of a task with a reference. An answer is good when it states the reference (any
 * of several), bad when it does not or is empty; by the metric of its task where that has one. A call is evaluated
 * where its tool is pure: good when the result is or contains the reference. Whatever else a call gives may be what a
 * later one needs, so the rule is absent; it is bad only what certainly gives nothing: a tool that does not exist,
 * arguments that are none, a call that its tool refuses, and one that was made before and whose result stands above.
 * Where the reference was found already, or the call itself names it, it finds nothing new, and the rule is absent:
 * whoever calls for ever, or for every answer there is, is not to earn what whoever answers does.
 * Of several calls at once none is evaluated, since it cannot be told which is meant. Absent also where the task has no
 * reference, and where the tool has effects or is not run by this process.
 */
export function referenceJudge(toolbox: Toolbox): Judge {
  return {
    name: 'reference',
    version: '8',
    kind: 'rule',
    judge: oneByOne(async (subject, signal) => {
      const { reference, calls } = subject;
      if (reference === undefined) return absent(NO_REFERENCE);
      const [call] = calls;
      if (call === undefined) {
        if (subject.text.trim() === '') return bad('the answer is empty');
        return answerJudged(subject.text, answersOf(reference), questionOf(subject), subject.metric);
      }
      for (const each of calls) {
        const fault = faultIn(each, subject, toolbox);
        if (fault !== undefined) return bad(fault);
      }
      if (calls.length > 1) return absent(`${calls.length} calls at once: which of them is meant cannot be told`);
      const found = foundSince(subject);
      const tool = toolbox.get(call.name);
      if (tool?.pure === true && found.some((each) => each.call === namedIn(call)))
        return bad('this same call was made before, and its result is above');
      const accepted = answersOf(reference);
      if (found.some(({ result }) => contains(result, accepted)))
        return absent('the reference was found before: a call finds nothing new');
      // Whoever searches for all the answers there are finds the right one among them.
      if (names(call.arguments, accepted) && !subject.messages.some(({ content }) => names(textOf(content), accepted)))
        return absent('the call names the reference itself: it finds nothing new');
      return evaluateCall(call, accepted, toolbox, signal);
    }),
  };
}

/**
 * An answer by the metric of its task, else by whether it states the reference. Of F1 more than one half is good: what
 * a gate and an evaluation take for right of any score. There the words that are right outweigh those that are wrong or
 * missing; of a reference of one word it is good in two words, and not in a sentence.
 */
export function answerJudged(
  text: string,
  accepted: readonly string[],
  question: string,
  metric?: AnswerMetric,
): Extract<Judgement, { kind: 'verdict' }> {
  if (metric === 'exact_match')
    return exactMatch(text, accepted) === 1
      ? good('the answer is the reference, word for word')
      : bad('the answer is not the reference, word for word');
  if (metric === 'f1') {
    const score = f1(text, accepted);
    return { kind: 'verdict', score, good: score > 0.5, rationale: `the answer has an F1 of ${score.toFixed(2)}` };
  }
  return states(text, accepted, question)
    ? good('the answer states the reference')
    : bad('the answer does not state the reference');
}

/** What its user said last. */
export function questionOf({ messages }: Subject): string {
  const asked = messages.findLast(({ role }) => role === 'user');
  return asked === undefined ? '' : textOf(asked.content);
}

/** What calls have given since its user said something; those that failed may be made again. */
function foundSince({ messages }: Subject): readonly { readonly call: string; readonly result: string }[] {
  const since = messages.slice(messages.findLastIndex(({ role }) => role === 'user') + 1);
  const calls = new Map(
    since
      .flatMap((message) => (message.role === 'assistant' ? (message.tool_calls ?? []) : []))
      .map((call) => [call.id, namedIn({ name: call.function.name, arguments: call.function.arguments })]),
  );
  return since.flatMap((message) => {
    if (message.role !== 'tool') return [];
    const result = textOf(message.content);
    return /^error\b/i.test(result) ? [] : [{ call: calls.get(message.tool_call_id) ?? '', result }];
  });
}

/** Two calls that say the same are the same, however their arguments are spelled. */
function namedIn({ name, arguments: args }: Pick<ToolCall, 'name' | 'arguments'>): string {
  const parsed = parseArguments(args);
  return `${name} ${parsed === undefined ? args : canonicalJson(parsed)}`;
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
