/**
 * Any judge as one that compares: it is asked about each answer alone, as about any action, so that what its
 * calibration says of it holds, and there is no other answer, no order and nobody's name to go by.
 *
 * Of an answer it judges the step that it ended with, in the state that this was taken in: the calls before it and
 * what they gave are in that state. Its errors are known for one action; for several of which all have to be good they
 * would be others, and the more the longer an answer is.
 */
import type { WordComparer } from '../core/judging/live.js';
import type { Judge, Subject } from '../core/learning/judging.js';
import { canonicalJson, sha256 } from '../core/text/hash.js';
import { askAll } from './ask.js';

/** Raised with every change of what it is asked about an answer. */
const CODE = 1;

/** By the version that the judge has now; one that has moved on meanwhile cannot be asked. */
export function wordComparer(judge: Judge): WordComparer {
  const { name, version: judgeVersion } = judge;
  return {
    by: 'words',
    name,
    judgeVersion,
    version: sha256(canonicalJson({ CODE, judgeVersion })).slice(3, 19),
    async wordOf({ last }, signal) {
      const { messages, tools, text, calls, index } = last;
      // Made of what it says alone, so that the same answer is the same whoever gives it.
      const called = calls.map((call) => [call.name, call.arguments]);
      const id = `answer-${sha256(canonicalJson([messages, tools, text, called])).slice(-16)}`;
      const subject: Subject = { kind: 'step', id, messages, tools, text, calls, index };
      if (judge.version !== judgeVersion) return { fault: `the judge "${name}" is version ${judge.version} by now` };
      const { verdicts, faults } = await askAll([judge], [subject], signal);
      const [verdict] = verdicts;
      if (verdict === undefined)
        return { fault: faults[0]?.reason ?? `the judge "${name}" has not answered`, cost: faults[0]?.cost };
      const { good, cost } = verdict;
      return { word: good === undefined ? 'untold' : good ? 'good' : 'bad', cost };
    },
  };
}
