/** The rule `follows_observation`: whether an answer says what its tool found. */
import type { Judge, Judgement, Subject } from '../../core/learning/judging.js';
import { textOf } from '../../core/message.js';
import { asQuantity } from './answers/quantities.js';
import { states } from './answers/states.js';
import { oneByOne } from '../one_by_one.js';
import { absent, bad, good } from './judgements.js';
import { questionOf } from './reference.js';

/**
 * Of a step or a sample that answers right after a tool's observation: good when the number it states is the observed
 * one, bad when it is another or the answer is empty. Absent where the action calls a tool itself, where no observation
 * came just before it, where that is empty or an error, and where it is a passage of text: there no rule can tell.
 */
export const followsObservationJudge: Judge = {
  name: 'follows_observation',
  version: '2',
  kind: 'rule',
  judge: oneByOne(followsObservation),
};

function followsObservation(subject: Subject): Judgement {
  if (subject.calls.length > 0) return absent('not an answer');
  const last = subject.messages.at(-1);
  if (last?.role !== 'tool') return absent('no observation to follow');
  const observed = textOf(last.content).trim();
  if (observed === '' || /^error\b/i.test(observed)) return absent('the observation is empty or a fault');
  if (asQuantity(observed) !== undefined) {
    return states(subject.text, [observed], questionOf(subject))
      ? good(`the answer states the observed ${observed}`)
      : bad(`the answer does not state the observed ${observed}`);
  }
  if (subject.text.trim() === '') return bad('the answer is empty');
  return absent('a passage was observed: whether the answer follows is not for a rule to say');
}
