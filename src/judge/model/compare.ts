/**
 * A model as the judge of two answers: which is better, A or B. It is not told whose they are. What it says and cannot
 * be understood is a tie; what cannot be asked is thrown.
 */
import { randomBytes } from 'node:crypto';

import type { PairComparer, Preference } from '../../core/judging/live.js';
import { onAbort } from '../../core/running/abort.js';
import { canonicalJson, sha256 } from '../../core/text/hash.js';
import { askingOf, type Cost, MAX_TOKENS, type ModelJudgeOptions } from './judge.js';
import { comparedMaterial } from './material.js';
import { filled, readPrompt } from './prompt.js';

/** Raised with every change of what it is shown, or of how its answer is read. */
const CODE = 1;

/** By the endpoint and the bounds of a model judge; `judgeVersion` is that judge's. */
export function modelComparer(options: ModelJudgeOptions, judgeVersion: string): PairComparer {
  const prompt = readPrompt('compare');
  const { maxTokens = MAX_TOKENS } = options;
  const asking = askingOf(options, { temperature: 0, maxTokens });
  const secret = randomBytes(16).toString('hex');
  return {
    by: 'pairs',
    name: options.name,
    judgeVersion,
    version: sha256(canonicalJson({ CODE, prompt, model: options.model, maxTokens, judgeVersion })).slice(3, 19),
    async compare(compared, signal) {
      const began = performance.now();
      const cost: Cost = { promptTokens: 0, completionTokens: 0 };
      // Whoever asks keeps listening to its signal: that of a whole test would gather listeners.
      signal.throwIfAborted();
      const own = new AbortController();
      const end = onAbort(signal, () => own.abort(signal.reason));
      try {
        const answer = await asking(filled(prompt, comparedMaterial(compared, secret)), own.signal, cost);
        return {
          preference: answer.cut ? 'tie' : preferenceOf(answer.text),
          cost: { ...cost, ms: performance.now() - began },
        };
      } finally {
        end();
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
