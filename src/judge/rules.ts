/**
 * Rule judges: deterministic, explained, and absent where they cannot decide. A rule may evaluate a pure
 * tool to see what a call would give; it never causes an effect. Without that a tool-call step has no
 * reward of its own and nothing is learned where it matters.
 */
import { reasonOf } from '../core/errors.js';
import type { Judge, Judgement, Subject } from '../core/judging.js';
import { textOf, type ToolCall } from '../core/message.js';
import type { Toolbox } from '../core/tool.js';
import { asNumber, lastNumber, sameNumber, states } from './answer.js';

const good = (rationale: string): Judgement => ({ kind: 'verdict', score: 1, good: true, rationale });
const bad = (rationale: string): Judgement => ({ kind: 'verdict', score: 0, good: false, rationale });
const absent = (reason: string): Judgement => ({ kind: 'absent', reason });

/** Does the action give, or lead straight to, the reference answer? The only judge a trajectory has. */
export function referenceJudge(toolbox: Toolbox): Judge {
  return {
    name: 'reference',
    version: '2',
    kind: 'rule',
    async judge(subject, signal) {
      const { reference, calls } = subject;
      if (reference === undefined) return absent('the task has no reference');
      const [call] = calls;
      if (call === undefined) {
        if (subject.text.trim() === '') return bad('the answer is empty');
        return states(subject.text, reference)
          ? good(`the answer states ${reference}`)
          : bad(`the answer does not state ${reference}`);
      }
      if (calls.length > 1) return bad(`${calls.length} calls at once: which of them is meant cannot be told`);
      return evaluateCall(call, subject, reference, toolbox, signal);
    },
  };
}

async function evaluateCall(
  call: ToolCall,
  subject: Subject,
  reference: string,
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
    if (signal.aborted) return absent('cancelled');
    return bad(`the call fails: ${reasonOf(fault)}`);
  }
  const value = asNumber(result);
  const wanted = asNumber(reference);
  if (value !== undefined && wanted !== undefined) {
    return sameNumber(value, wanted)
      ? good(`the call gives ${reference}`)
      : bad(`the call gives ${result}, not ${reference}`);
  }
  // A text result that lacks the reference may still be a sound first hop: that is not for a rule to say.
  return states(result, reference)
    ? good(`the result contains ${reference}`)
    : absent('the result neither contains nor excludes the reference');
}

/** Is the action something the loop can act on: known names, arguments that fit, or plain text without call markup? */
export const wellFormedJudge: Judge = {
  name: 'well_formed',
  version: '1',
  kind: 'rule',
  judge(subject) {
    return Promise.resolve(wellFormed(subject));
  },
};

function wellFormed(subject: Subject): Judgement {
  if (/<\/?tool_call>/.test(subject.text)) return bad('call markup was left in the text: the call was not understood');
  if (subject.calls.length === 0)
    return subject.text.trim() === '' ? bad('neither text nor a call') : good('plain text');
  for (const call of subject.calls) {
    const spec = subject.tools.find((tool) => tool.name === call.name);
    if (spec === undefined) return bad(`there is no tool "${call.name}"`);
    const args = parseArguments(call.arguments);
    if (args === undefined) return bad(`the arguments of "${call.name}" are not a JSON object`);
    const schema = spec.parameters as
      { required?: readonly string[]; properties?: Record<string, { type?: string }> } | undefined;
    for (const name of schema?.required ?? []) {
      if (!(name in args)) return bad(`"${call.name}" lacks the argument "${name}"`);
    }
    for (const [name, value] of Object.entries(args)) {
      const type = schema?.properties?.[name]?.type;
      if (schema?.properties !== undefined && !(name in schema.properties))
        return bad(`"${call.name}" has no argument "${name}"`);
      if (type === 'string' && typeof value !== 'string') return bad(`the argument "${name}" must be a string`);
    }
  }
  return good('every call is known and its arguments fit');
}

/** Does a final answer say what the last tool told? Absent where no tool spoke, or the tool failed. */
export const followsObservationJudge: Judge = {
  name: 'follows_observation',
  version: '1',
  kind: 'rule',
  judge(subject) {
    return Promise.resolve(followsObservation(subject));
  },
};

function followsObservation(subject: Subject): Judgement {
  if (subject.calls.length > 0) return absent('not an answer');
  const last = subject.messages.at(-1);
  if (last?.role !== 'tool') return absent('no observation to follow');
  const observed = textOf(last.content).trim();
  if (observed === '' || /^error\b/i.test(observed)) return absent('the observation is empty or a fault');
  const value = asNumber(observed);
  if (value !== undefined) {
    const said = lastNumber(subject.text);
    return said !== undefined && sameNumber(said, value)
      ? good(`the answer states the observed ${observed}`)
      : bad(`the answer does not state the observed ${observed}`);
  }
  const stated = subject.text.trim();
  if (stated === '') return bad('the answer is empty');
  return absent('a passage was observed: whether the answer follows is not for a rule to say');
}

function parseArguments(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Every rule judge, the one that decides first. */
export function ruleJudges(toolbox: Toolbox): readonly Judge[] {
  return [referenceJudge(toolbox), followsObservationJudge, wellFormedJudge];
}
