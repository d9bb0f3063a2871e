/**
 * A model as the judge of two answers: which is better, A or B. It is not told whose they are. What it says and cannot
 * be understood is a tie. Where it could not be asked it says why, with what was taken until then.
 */
import { randomBytes } from 'node:crypto';

import { reasonOf } from '../../core/errors.js';
import type { PairComparer, Preference } from '../../core/judging/live.js';
import { canonicalJson, sha256 } from '../../core/text/hash.js';
import { Asking } from './asking.js';
import { MAX_TOKENS, type ModelJudgeOptions } from './judge.js';
import { comparedMaterial } from './material.js';
import { filled, readPrompt } from './prompt.js';

/** Raised with every change of what it is shown, or of how its answer is read. */
const CODE = 1;

/** By the endpoint and the bounds of a model judge, whose `asking` it shares; `judgeVersion` is that judge's. */
export function modelComparer(
  options: ModelJudgeOptions,
  judgeVersion: string,
  asking: Asking = new Asking(options),
): PairComparer {
  const prompt = readPrompt('compare');
  const { maxTokens = MAX_TOKENS } = options;
  const secret = randomBytes(16).toString('hex');
  return {
    by: 'pairs',
    name: options.name,
    judgeVersion,
    version: sha256(canonicalJson({ CODE, prompt, model: options.model, maxTokens, judgeVersion })).slice(3, 19),
    async compare(compared, signal) {
      const bill = asking.bill();
      try {
        const asked = filled(prompt, comparedMaterial(compared, secret));
        const answer = await asking.ask(asked, { temperature: 0, maxTokens }, signal, bill);
        return { preference: answer.cut ? 'tie' : preferenceOf(answer.text), cost: bill.cost };
      } catch (thrown) {
        signal.throwIfAborted();
        return { fault: reasonOf(thrown), cost: bill.costOfNone };
      }
    },
  };
}

const LAST = /^[\s*_#>`"'(-]*(?:(?:verdict|better|answer)\s*:?\s*)?[*_`"'(]*(A|B|TIE)[\s*_`"').!]*$/i;

/** Its last line, and nothing that stands before it. */
export function preferenceOf(text: string): Preference {
  const line = text
    .split('\n')
    .filter((each) => each.trim() !== '')
    .pop();
  const word = LAST.exec(line ?? '')?.[1]?.toUpperCase();
  return word === 'A' ? 'first' : word === 'B' ? 'second' : 'tie';
}
