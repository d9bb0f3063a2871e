/**
 * A judge that is a model: any OpenAI endpoint, asked with a versioned prompt. It sees everything before the step, the
 * step, and what came after it as far as that is known; never the reference. It explains, then says GOOD or BAD
 * (SWiRL, arXiv 2504.04736, section 3.2). What it says and cannot be understood is an abstention; what cannot be asked
 * is a fault, which `ask` makes of what is thrown here.
 */
import { randomBytes } from 'node:crypto';

import type { Judge, Judgement, JudgeCost, Subject } from '../../core/learning/judging.js';
import { canonicalJson, sha256 } from '../../core/text/hash.js';
import { Endpoint, type JudgeAnswer } from './endpoint.js';
import { type JudgeLimits, Spending } from './limits.js';
import { materialOf } from './material.js';
import { filled, type Prompt, readPrompt } from './prompt.js';
import { type Word, wordOf } from './word.js';

/** Raised with every change of what it is shown, or of how its answer is read. */
const CODE = 1;
/** Tokens of an explanation and a word. */
const MAX_TOKENS = 768;
/** About, to know beforehand what a question may take. */
const CHARS_PER_TOKEN = 4;
/** Several opinions are drawn so; one is asked for greedily. */
const VARIED = 0.7;
const TIMEOUT_MS = 30_000;
const RETRIES = 2;

export interface ModelJudgeOptions extends JudgeLimits {
  readonly name: string;
  readonly url: string;
  readonly model: string;
  readonly apiKey?: string | undefined;
  /** `process`, `reward`, `outcome`, or the path of a file. */
  readonly prompt: string;
  /** Opinions, of which the majority counts. */
  readonly samples?: number | undefined;
  readonly temperature?: number | undefined;
  readonly maxTokens?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly retries?: number | undefined;
  /** Tokens that it has used since a time, by the rows. */
  readonly spentSince?: ((at: number) => Promise<number>) | undefined;
}

type Opinion = { readonly word: Word } | { readonly unclear: string };

export function modelJudge(options: ModelJudgeOptions): Judge {
  const { name, model, samples = 1, maxTokens = MAX_TOKENS } = options;
  const prompt = readPrompt(options.prompt);
  const temperature = options.temperature ?? (samples > 1 ? VARIED : 0);
  const graded = /^\s*SCORE:/m.test(prompt.system);
  const { ask } = askedEndpoint(options);
  const secret = randomBytes(16).toString('hex');

  const opinion = async (subject: Subject, signal: AbortSignal, cost: Cost): Promise<Opinion> => {
    const answer = await ask(filled(prompt, materialOf(subject, secret)), temperature, signal);
    cost.promptTokens += answer.promptTokens;
    cost.completionTokens += answer.completionTokens;
    if (answer.cut) return { unclear: `its answer was cut off after ${maxTokens} tokens` };
    return wordOf(answer.text, graded, answer.tokens);
  };

  return {
    name,
    version: sha256(canonicalJson({ CODE, prompt, model, samples, temperature, maxTokens, graded })).slice(3, 19),
    kind: 'model',
    async judge(subject, signal) {
      const began = performance.now();
      const cost: Cost = { promptTokens: 0, completionTokens: 0 };
      const opinions = await Promise.all(Array.from({ length: samples }, () => opinion(subject, signal, cost)));
      return { ...together(opinions), cost: { ...cost, ms: performance.now() - began } };
    },
  };
}

/** The endpoint of a judge, within its bounds. */
export function askedEndpoint(options: ModelJudgeOptions): {
  readonly maxTokens: number;
  readonly ask: (asked: Prompt, temperature: number, signal: AbortSignal) => Promise<JudgeAnswer>;
} {
  const { name, url, model, maxTokens = MAX_TOKENS } = options;
  const endpoint = new Endpoint({
    url,
    model,
    apiKey: options.apiKey,
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    retries: options.retries ?? RETRIES,
  });
  const spending = new Spending(name, options, options.spentSince ?? (() => Promise.resolve(0)));
  return {
    maxTokens,
    async ask(asked, temperature, signal) {
      const expected = Math.ceil((asked.system.length + asked.user.length) / CHARS_PER_TOKEN) + maxTokens;
      const ended = await spending.begin(expected, signal);
      let took = 0;
      try {
        const answer = await endpoint.ask(asked, { temperature, maxTokens }, signal);
        took = answer.promptTokens + answer.completionTokens;
        return answer;
      } finally {
        ended(took);
      }
    },
  };
}

type Cost = { -readonly [K in 'promptTokens' | 'completionTokens']: JudgeCost[K] };

/** What most of them say; where they are split, or most cannot be understood, it cannot tell. */
function together(opinions: readonly Opinion[]): Judgement {
  const words = opinions.flatMap((each) => ('word' in each ? [each.word] : []));
  const goods = words.filter(({ good }) => good);
  const bads = words.filter(({ good }) => !good);
  const most = goods.length >= bads.length ? goods : bads;
  const unclear = opinions.flatMap((each) => ('unclear' in each ? [each.unclear] : []));
  const [first] = most;
  if (first === undefined || 2 * words.length <= opinions.length)
    return { kind: 'absent', reason: unclear[0] ?? 'it said nothing' };
  if (goods.length === bads.length)
    return { kind: 'absent', reason: `${goods.length} of its opinions are good, and as many are bad` };
  const score = words.reduce((sum, word) => sum + word.score, 0) / words.length;
  return {
    kind: 'verdict',
    good: first.good,
    score,
    confidence: opinions.length > 1 ? most.length / words.length : first.confidence,
    rationale: first.rationale,
  };
}
