/** The rule `well_formed`: whether an action is one the loop can act on. */
import type { Judge, Judgement, Subject } from '../../core/learning/judging.js';
import { oneByOne } from '../one_by_one.js';
import { bad, good, parseArguments } from './judgements.js';

/**
 * Of a step or a sample: good when its calls name offered functions with arguments that fit their schemas, or when it
 * is plain text; bad when call markup is left in the text, when it is empty, or when a call does not fit. Never absent.
 */
export const wellFormedJudge: Judge = {
  name: 'well_formed',
  version: '1',
  kind: 'rule',
  judge: oneByOne(wellFormed),
};

function wellFormed(subject: Subject): Judgement {
  // Hermes-style markup, as Qwen and the default template have it: the engine's parser would have taken it out.
  if (/<\/?tool_call>/.test(subject.text)) return bad('call markup was left in the text: the call was not understood');
  if (subject.calls.length === 0)
    return subject.text.trim() === '' ? bad('neither text nor a call') : good('plain text');
  for (const call of subject.calls) {
    const spec = subject.tools.find((tool) => tool.name === call.name);
    if (spec === undefined) return bad(`there is no tool "${call.name}"`);
    const args = parseArguments(call.arguments);
    if (args === undefined) return bad(`the arguments of "${call.name}" are not a JSON object`);
    const schema = spec.parameters as
      | { required?: readonly string[] | undefined; properties?: Record<string, { type?: string }> | undefined }
      | undefined;
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
