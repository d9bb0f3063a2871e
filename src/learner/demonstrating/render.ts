/**
 * Demonstrations as supervised examples: the engine renders the state with the demonstrated turn by its own template,
 * and what comes behind the prompt that was logged is what is imitated. Where it does not go on from that very prompt
 * the state on record is another one, and nothing is learned.
 */
import { GyreError } from '../../core/errors.js';
import type { Demonstrated, RenderedDemonstration, TaughtState } from '../../core/judging/demonstrations.js';
import type { LoggedState } from '../../core/learning/state.js';
import { textOf } from '../../core/message.js';
import { MARK } from '../../core/text/redact.js';
import type { Learner } from '../deps.js';

const AT_ONCE = 32;

type Rendering = Pick<Learner, 'rows' | 'policy' | 'templateHash' | 'contextLength' | 'engineModel' | 'signal'>;

/** Renders those that were not yet. Counts what came of them; nothing where the engine cannot render. */
export async function renderDemonstrations(learner: Rendering, version: number): Promise<Record<string, number>> {
  const { rows, policy, templateHash, signal } = learner;
  if (policy.render === undefined || templateHash === undefined) return {};
  const counts: Record<string, number> = {};
  for (let after = ''; ;) {
    const some = await rows.demonstrations.unrendered(templateHash, after, AT_ONCE);
    const last = some.at(-1);
    if (last === undefined) return counts;
    after = last.id;
    const ids = some.map(({ stepId }) => stepId);
    const [states, consented, heldOut] = [
      await rows.steps.states(ids),
      await rows.steps.consented(ids),
      await rows.steps.heldOut(ids),
    ];
    for (const one of some) {
      signal.throwIfAborted();
      const state = states.get(one.stepId);
      if (state === undefined || !consented.has(one.stepId) || heldOut.has(one.stepId)) continue;
      const rendered = await renderedBy(learner, templateHash, version, one, state);
      if (rendered === undefined) return counts;
      await rows.demonstrations.save(rendered);
      const name = rendered.reason === '' ? 'demonstrations' : `dropped.demonstration_${rendered.reason}`;
      counts[name] = (counts[name] ?? 0) + 1;
    }
  }
}

/** Undefined where the engine has no way to render. Throws where it cannot be asked. */
async function renderedBy(
  { policy, contextLength = Number.POSITIVE_INFINITY, engineModel, signal }: Rendering,
  templateHash: string,
  version: number,
  { id, stepId, turn, endId }: Demonstrated,
  { promptTokenIds: prompt, messages, tools }: LoggedState,
): Promise<RenderedDemonstration | undefined> {
  const left = (reason: RenderedDemonstration['reason']): RenderedDemonstration => ({
    ...{ id, stepId, templateHash, reason },
  });
  if (prompt === undefined) return left('no_token_ids');
  const spelt = [textOf(turn.content), ...(turn.tool_calls ?? []).map((call) => call.function.arguments)];
  if (spelt.some((text) => text.includes(MARK))) return left('redacted');
  let whole: readonly number[] | undefined;
  try {
    whole = await policy.render?.(
      { model: engineModel(version), messages, tools: tools.map(({ strict: _, ...spec }) => spec) },
      turn,
      signal,
    );
  } catch (thrown) {
    if (!(thrown instanceof GyreError) || thrown.side !== 'engine') throw thrown;
    if (thrown.status === 501) return undefined;
    if (thrown.status === 400) return left('refused');
    throw thrown;
  }
  if (whole === undefined) return undefined;
  if (whole.length > contextLength) return left('too_long');
  if (!prompt.every((token, at) => whole[at] === token)) return left('drift');
  const said = whole.slice(prompt.length);
  // A template may write more behind a turn than the policy says, such as the end of a line.
  const end = endId === undefined ? -1 : said.lastIndexOf(endId);
  return end < 0 ? left('no_end') : { ...left(''), tokenIds: said.slice(0, end + 1) };
}

/** Those that a batch may take, with their states; at most so many. */
export async function taughtStates(
  { rows, templateHash }: Pick<Learner, 'rows' | 'templateHash'>,
  limit: number,
): Promise<readonly TaughtState[]> {
  if (templateHash === undefined) return [];
  const taught = await rows.demonstrations.open(templateHash, limit);
  const states = await rows.steps.states(taught.map(({ stepId }) => stepId));
  return taught.flatMap(({ id, stepId, tokenIds }) => {
    const state = states.get(stepId);
    return state === undefined ? [] : [{ id, state, tokenIds }];
  });
}
