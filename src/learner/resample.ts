/**
 * Resampling: a group of actions (`learning.samples`) from the head version at each claimed state, which is the online
 * step of SWiRL (arXiv 2504.04736). They are judged, never executed. A state whose prompt the engine now renders to
 * other tokens than were logged is dropped as drift: samples would be drawn at another state than the one on record.
 */
import type { Cycle } from '../core/learning/cycle.js';
import { newId } from '../core/ids.js';
import { GYRE_POLICY } from '../core/learning/policy_name.js';
import { redactorOf } from '../core/text/redact.js';
import type { Sample } from '../core/learning/sample.js';
import { claimed } from '../store/learning/claims.js';
import { samplesOf, saveSamples } from '../store/learning/samples.js';
import { stateOf } from '../store/read/state.js';
import type { Learner } from './deps.js';
import { inParallel } from './pool.js';

/**
 * Prompts in flight at once, each for a group of actions. More than the engine decodes at a time, so that it never
 * waits for one long action.
 */
const CONCURRENCY = 16;

/**
 * Tokens one sampled action may take where the logged request named no bound; longer ones are cut and not trained on.
 */
const MAX_TOKENS = 1024;

export async function resample(learner: Learner, cycle: Cycle): Promise<Record<string, number>> {
  const done = new Set(samplesOf(learner.db, GYRE_POLICY, cycle.id).map((sample) => sample.stepId));
  const open = claimed(learner.db, GYRE_POLICY, cycle.id).filter(({ stepId }) => !done.has(stepId));
  const redactor = redactorOf(learner.config.redact);
  const counts = { sampled: 0, drift: 0, no_token_ids: 0, redacted: 0 };
  let finished = 0;
  await inParallel(open, CONCURRENCY, async ({ stepId }) => {
    learner.signal.throwIfAborted();
    const drawn = await draw(learner, cycle, stepId);
    if (typeof drawn === 'string') counts[drawn] += 1;
    else {
      // A sample is trained on as it was drawn or not at all: there is no redacted form of it.
      const kept = redactor === undefined ? drawn : drawn.filter((sample) => !redactor.touches(sample));
      saveSamples(learner.db, GYRE_POLICY, kept);
      counts.sampled += kept.length;
      counts.redacted += drawn.length - kept.length;
    }
    finished += 1;
    learner.progress({ stage: 'resample', done: finished, total: open.length });
  });
  return counts;
}

async function draw(learner: Learner, cycle: Cycle, stepId: string): Promise<Sample[] | 'drift' | 'no_token_ids'> {
  const state = stateOf(learner.db, stepId);
  if (state?.promptTokenIds === undefined) return 'no_token_ids';
  const temperature = learner.config['learning.temperature'];
  const actions = await finalOf(
    learner.policy.sample(
      {
        model: learner.engineModel(cycle.baseVersion),
        messages: state.messages,
        tools: state.tools,
        toolChoice: 'auto',
        sampling: { temperature, top_p: 1, max_tokens: state.sampling.max_tokens ?? MAX_TOKENS },
        n: learner.config['learning.samples'],
      },
      learner.signal,
    ),
  );
  const prompt = actions[0]?.promptTokenIds;
  if (prompt === undefined) return 'no_token_ids';
  if (!sameIds(prompt, state.promptTokenIds)) return 'drift';
  const createdAt = Date.now();
  return actions.flatMap((action): Sample[] => {
    const { tokenIds, logprobs } = action;
    if (tokenIds === undefined || logprobs === undefined || tokenIds.length === 0) return [];
    return [
      {
        id: newId('smp'),
        cycleId: cycle.id,
        stepId,
        policyVersion: cycle.baseVersion,
        text: action.text,
        calls: action.calls,
        promptTokenIds: prompt,
        tokenIds,
        logprobs,
        temperature,
        cut: action.cut,
        createdAt,
      },
    ];
  });
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
