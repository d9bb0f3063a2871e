/** Whether an answer says what its tool said. */
import type { Judge, Judgement, Subject } from '../../core/learning/judging.js';
import { textOf } from '../../core/message.js';
import { asNumber, lastNumber, sameNumber } from './answer.js';
import { absent, bad, good } from './judgements.js';

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
