/**
 * A judge that was trained here: an adapter on the serving engine, asked for one token behind the action, of which only
 * two are allowed. How much likelier the one is than the other, by its scaling, is its score. It abstains where nothing
 * like the subject was labelled, and where it is not sure.
 */
import { GyreError } from '../../core/errors.js';
import { judgeAdapterName, type LearnedVersion } from '../../core/judging/learned.js';
import type { Judge, Judgement } from '../../core/learning/judging.js';
import type { Policy } from '../../core/policy.js';
import { canonicalJson, sha256 } from '../../core/text/hash.js';
import { oneByOne } from '../one_by_one.js';
import { LIKENESS, likenessOf, nearest } from './likeness.js';
import { MATERIAL, promptOf, shortened } from './material.js';

/** Raised with every change of how its answer is read. */
const CODE = 1;
/** The version of a judge that was never trained: no verdict has it. */
export const UNTRAINED = 'untrained';

/** Tokens of a text as the engine reads it, control tokens in it broken. */
export type Tokens = (text: string, signal: AbortSignal) => Promise<readonly number[]>;

export interface LearnedJudgeOptions {
  readonly name: string;
  /** So near to one half it is not sure. */
  readonly unsure: number;
  /** So much of its wording the question has to share with one that was labelled. */
  readonly near: number;
  readonly tokens: Tokens;
  readonly policy: Policy;
  /** The version that is asked now; read when `refresh` is called. */
  readonly current: () => LearnedVersion | undefined;
}

export interface LearnedJudge extends Judge {
  readonly kind: 'learned';
  /** Whether there is a version to be asked. */
  readonly trained: boolean;
  /** How many labels it is made of; undefined without one. */
  readonly labels: number | undefined;
  /** Takes up the version that is to be asked by now. Between two calls it is the same. */
  refresh(): void;
}

/** What is needed to have judges that are trained here. */
export interface LearnedJudges {
  /** Those that are configured, trained or not. */
  readonly judges: readonly LearnedJudge[];
  readonly tokens: Tokens;
}

/** What the verdicts of a version name: whatever could make it say something else. */
export function learnedVersionOf(
  parts: Pick<LearnedVersion, 'good' | 'bad' | 'known'> & Required<Pick<LearnedVersion, 'adapter' | 'scaling'>>,
  { unsure, near }: Pick<LearnedJudgeOptions, 'unsure' | 'near'>,
): string {
  const { good, bad, known, adapter, scaling } = parts;
  const made = { CODE, MATERIAL, LIKENESS, good, bad, known, adapter, scaling, unsure, near };
  return sha256(canonicalJson(made)).slice(3, 19);
}

export function learnedJudge(options: LearnedJudgeOptions): LearnedJudge {
  const { name, unsure, near } = options;
  let now = options.current();
  let version = versionIn(now, options);
  return {
    name,
    kind: 'learned',
    get version() {
      return version ?? UNTRAINED;
    },
    get trained() {
      return version !== undefined;
    },
    get labels() {
      return version === undefined ? undefined : now?.labels;
    },
    refresh() {
      now = options.current();
      version = versionIn(now, options);
    },
    judge: oneByOne(async (subject, signal) => {
      const asked = now;
      if (asked?.scaling === undefined) return absent('it has not been trained yet');
      const { nearness, cluster } = nearest(likenessOf(subject), asked.known);
      if (nearness < near)
        return absent(`nothing like it was labelled: ${share(nearness)} of it is known, and ${share(near)} has to be`);
      if (cluster?.wrong !== undefined)
        return absent(
          `it is too often wrong about what is like this: right in ${share(cluster.wrong.accuracy)} of ` +
            `${cluster.wrong.n} gold items`,
        );
      const began = performance.now();
      const ids = shortened(await options.tokens(promptOf(subject), signal));
      const logit = await preferenceOf(options.policy, asked, ids, signal);
      const score = 1 / (1 + Math.exp(-(asked.scaling.scale * logit + asked.scaling.bias)));
      const cost = { promptTokens: ids.length, completionTokens: 1, ms: performance.now() - began };
      if (Math.abs(score - 0.5) < unsure) return { ...absent(`it is not sure: ${share(score)}`), cost };
      const rationale = `version ${asked.version}; ${share(nearness)} of the question's wording was labelled`;
      const good = score > 0.5;
      return { kind: 'verdict', score, good, confidence: Math.max(score, 1 - score), rationale, cost };
    }),
  };
}

function versionIn(
  version: LearnedVersion | undefined,
  options: Pick<LearnedJudgeOptions, 'unsure' | 'near'>,
): string | undefined {
  const { adapter, scaling } = version ?? {};
  if (version === undefined || adapter === undefined || scaling === undefined) return undefined;
  return learnedVersionOf({ ...version, adapter, scaling }, options);
}

function absent(reason: string): Extract<Judgement, { kind: 'absent' }> {
  return { kind: 'absent', reason };
}

function share(of: number): string {
  return of.toFixed(2);
}

/** The logit of the one word minus that of the other. Throws the engine's faults, and 502 where it says neither. */
async function preferenceOf(
  policy: Policy,
  { judge, version, good, bad }: LearnedVersion,
  ids: readonly number[],
  signal: AbortSignal,
): Promise<number> {
  const events = policy.sample(
    {
      model: judgeAdapterName(judge, version),
      messages: [],
      raw: { list: [ids], echo: 'none' },
      tools: [],
      toolChoice: 'none',
      sampling: { temperature: 1, top_p: 1, max_tokens: 1 },
      topLogprobs: 2,
      // An engine that says how likely a token was after what is allowed says it of these two alone.
      forwarded: { allowed_token_ids: [good.id, bad.id], return_tokens_as_token_ids: true },
    },
    signal,
  );
  for (;;) {
    const next = await events.next();
    if (next.done !== true) continue;
    const likely = next.value[0]?.tokenLogprobs?.[0]?.top_logprobs ?? [];
    const of = (id: number): number | undefined => likely.find(({ token }) => token === `token_id:${id}`)?.logprob;
    const [forGood, forBad] = [of(good.id), of(bad.id)];
    if (forGood === undefined || forBad === undefined)
      throw new GyreError({
        side: 'engine',
        status: 502,
        code: 'engine_garbage',
        message:
          `the engine was asked how likely the tokens ${good.id} and ${bad.id} are for the judge "${judge}", and ` +
          `spoke of ${likely.map(({ token }) => token).join(', ') || 'none'}: it has to know "allowed_token_ids" and ` +
          '"return_tokens_as_token_ids" of /v1/completions, as vLLM does',
      });
    return forGood - forBad;
  }
}
