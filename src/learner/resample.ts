/**
 * Resampling: a group of actions (`learning.samples`) from the head version at a claimed state, which is the online
 * step of SWiRL (arXiv 2504.04736). They are judged, never executed. A state whose prompt the engine now renders to
 * other tokens than were logged is dropped as drift: samples would be drawn at another state than the one on record.
 */
import { GyreError } from '../core/errors.js';
import { newId } from '../core/ids.js';
import type { NewGroup } from '../core/learning/group.js';
import type { Sample } from '../core/learning/sample.js';
import type { LoggedState } from '../core/learning/state.js';
import type { Action, Policy, PolicyRequest } from '../core/policy.js';
import type { Redactor } from '../core/text/redact.js';

/** Tokens a sampled action may take where the logged request named no bound, or a larger one. */
const MAX_TOKENS = 1024;

/**
 * Between these the logarithm of a probability lies (`parse_action` in the trainer's `contract/batch.py`). An engine
 * spells one of 0 as -9999.
 */
const LOWEST_LOGPROB = -1000;
const HIGHEST_LOGPROB = 1e-3;

/** How actions are drawn in one cycle. */
export interface Draw {
  readonly cycleId: string;
  readonly version: number;
  /** The engine's name of the version. */
  readonly model: string;
  /** Actions a state. */
  readonly samples: number;
  readonly temperature: number;
  /** Tokens of prompt and action together; absent where nobody says. */
  readonly contextLength?: number | undefined;
  /** A sample is trained on as it was drawn or not at all: there is no redacted form of it. */
  readonly redactor?: Pick<Redactor, 'touches'> | undefined;
}

/**
 * The group of one state. A refusal of the engine is the state's own, and its outcome; throws where the engine cannot
 * be asked, or fails.
 */
export async function draw(policy: Policy, state: LoggedState, how: Draw, signal: AbortSignal): Promise<NewGroup> {
  const group = emptyGroup(state.stepId, how);
  const taught = isTaught(state);
  const logged = state.promptTokenIds;
  if (logged === undefined && !taught) return { ...group, outcome: 'no_token_ids' };
  const { tokens, bound } = boundOf(state, logged?.length ?? 0, how.contextLength);
  if (tokens < 1) {
    const reason = `its prompt of ${logged?.length ?? 0} tokens leaves no room in a context of ${how.contextLength}`;
    return { ...group, outcome: 'refused', reason };
  }
  const asked = await finalOf(policy.sample(requestOf(state, tokens, how), signal)).catch(refusalIn);
  if ('refusal' in asked) return { ...group, outcome: 'refused', reason: asked.refusal };
  const prompt = asked[0]?.promptTokenIds;
  if (prompt === undefined) return { ...group, outcome: 'no_token_ids' };
  if (!taught && !sameIds(prompt, logged ?? [])) return { ...group, outcome: 'drift' };
  const drawn = asked.flatMap((action) => sampleOf(action, prompt, bound, state, how));
  const { redactor } = how;
  const samples = redactor === undefined ? drawn : drawn.filter((sample) => !redactor.touches(sample));
  return { ...group, outcome: 'drawn', drawn: samples.length, redacted: drawn.length - samples.length, samples };
}

/**
 * Whether the state is one that a teacher came to. On record are its words, which every model reads in tokens of its
 * own: it is what the policy's engine makes of them, and cannot have drifted.
 */
function isTaught({ policyVersion, origin }: LoggedState): boolean {
  return policyVersion === undefined && origin === 'generate';
}

/** The group of a state at which the engine itself fails. */
export function failedAt(stepId: string, how: Draw, reason: string): NewGroup {
  return { ...emptyGroup(stepId, how), outcome: 'refused', reason };
}

function emptyGroup(stepId: string, { cycleId, version }: Draw): Omit<NewGroup, 'outcome'> {
  return {
    cycleId,
    stepId,
    policyVersion: version,
    reason: '',
    drawn: 0,
    redacted: 0,
    createdAt: Date.now(),
    samples: [],
  };
}

/** What the action may take: the user's bound, or ours, and never more than fits beside the prompt. */
function boundOf(
  { sampling, origin }: LoggedState,
  prompt: number,
  contextLength = Infinity,
): { readonly tokens: number; readonly bound: 'own' | 'client' } {
  const room = contextLength - prompt;
  const asked = sampling.max_tokens;
  // A bound larger than ours is no reason why an action that does not end should be forgiven, nor is the learner's own.
  const small = asked !== undefined && asked <= Math.min(MAX_TOKENS, room);
  const bound = small && origin === 'live' ? 'client' : 'own';
  return { tokens: Math.min(asked ?? MAX_TOKENS, room), bound };
}

/**
 * The state as it was, and the whole distribution at it. What constrained the logged action (a schema, a forced call,
 * strict arguments) is left out: it masks tokens, and what is drawn would not be the policy's own.
 */
function requestOf(state: LoggedState, tokens: number, how: Draw): PolicyRequest {
  return {
    model: how.model,
    messages: state.messages,
    tools: state.tools.map(({ strict: _, ...spec }) => spec),
    toolChoice: state.toolChoice === 'none' ? 'none' : 'auto',
    sampling: { temperature: how.temperature, top_p: 1, max_tokens: tokens },
    n: how.samples,
  };
}

/** Of the engine's words; anything else than a refusal is thrown on. */
function refusalIn(thrown: unknown): { readonly refusal: string } {
  if (thrown instanceof GyreError && thrown.side === 'engine' && thrown.status === 400)
    return { refusal: thrown.message };
  throw thrown;
}

function sampleOf(
  action: Action,
  promptTokenIds: readonly number[],
  bound: 'own' | 'client',
  { stepId }: LoggedState,
  { cycleId, version, temperature }: Draw,
): Sample[] {
  const { text, calls, cut, tokenIds, logprobs } = action;
  if (tokenIds === undefined || logprobs === undefined || tokenIds.length === 0) return [];
  // One such number, and the trainer takes nothing of the batch.
  if (!logprobs.every((logprob) => logprob > LOWEST_LOGPROB && logprob <= HIGHEST_LOGPROB)) return [];
  return [
    {
      id: newId('smp'),
      cycleId,
      stepId,
      policyVersion: version,
      text,
      calls,
      promptTokenIds,
      tokenIds,
      logprobs,
      temperature,
      cut,
      ...(cut ? { bound } : {}),
      createdAt: Date.now(),
    },
  ];
}

/** Whether the engine lives: it answers a few words with these weights. Throws where it does not. */
export async function askPlainly(policy: Policy, model: string, signal: AbortSignal): Promise<void> {
  const sampling = { temperature: 0, max_tokens: 1 };
  const messages = [{ role: 'user', content: 'Hello' }] as const;
  await finalOf(policy.sample({ model, messages, tools: [], toolChoice: 'none', sampling }, signal));
}

function sameIds(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}

/** Runs a generator to its end for the value it returns. */
async function finalOf<T>(events: AsyncGenerator<unknown, T>): Promise<T> {
  for (;;) {
    const next = await events.next();
    if (next.done === true) return next.value;
  }
}
