/**
 * One live state answered by one version, as a gate needs it: greedily, through the loop, with tools that are pure run
 * and all others left to a client that never comes. Nothing of it is logged: what a client said is kept where it was
 * said, and goes when that is deleted.
 */
import { GyreError } from '../../core/errors.js';
import type { LoggedState } from '../../core/learning/state.js';
import { textOf } from '../../core/message.js';
import { againRunnable } from '../../core/tool.js';
import { limitsOf } from '../../loop/budget.js';
import { run } from '../../loop/run.js';
import type { Learner } from '../deps.js';

/** Tokens that one step of an answer may take. */
const MAX_TOKENS = 512;
/** The likeliest answer, so that the same is said each time. */
const GREEDY = { temperature: 0 } as const;

export type Answering = Pick<Learner, 'config' | 'policy' | 'toolbox' | 'engineModel' | 'signal'>;

/** Undefined where the engine failed: the version may be what brings it down, and then that is its answer. */
export async function answerTo(
  { config, policy, toolbox, engineModel, signal }: Answering,
  state: LoggedState,
  version: number,
): Promise<string | undefined> {
  const asked = state.sampling.max_tokens ?? MAX_TOKENS;
  const events = run(
    {
      model: engineModel(version),
      policyVersion: version,
      messages: state.messages,
      ...againRunnable(state.tools, toolbox),
      toolChoice: state.callsAllowed ? state.toolChoice : 'none',
      sampling: { ...GREEDY, max_tokens: Math.min(asked, MAX_TOKENS) },
    },
    policy,
    limitsOf(config),
    signal,
  );
  let said = '';
  try {
    for (;;) {
      const next = await events.next();
      if (next.done === true) {
        const { outcome } = next.value.ending;
        return outcome === 'completed' || outcome === 'incomplete' ? said : undefined;
      }
      if (next.value.type === 'step') {
        const { content, tool_calls: calls = [] } = next.value.visible;
        const called = calls.map((call) => `call ${call.function.name} ${call.function.arguments}`);
        said = [textOf(content), ...called].filter((part) => part.trim() !== '').join('\n');
      }
    }
  } catch (thrown) {
    if (thrown instanceof GyreError && thrown.side === 'engine') return undefined;
    throw thrown;
  }
}
