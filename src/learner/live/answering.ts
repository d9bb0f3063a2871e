/**
 * One live state answered by one version, as a gate needs it: greedily, through the loop, with tools that are pure run
 * and all others left to a client that never comes. Nothing of it is logged: what a client said is kept where it was
 * said, and goes when that is deleted.
 */
import { GyreError } from '../../core/errors.js';
import { type LiveAnswer, saidIn } from '../../core/judging/live.js';
import type { LoggedState } from '../../core/learning/state.js';
import { textOf } from '../../core/message.js';
import { againRunnable } from '../../core/tool.js';
import type { Step } from '../../core/trajectory.js';
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
): Promise<LiveAnswer | undefined> {
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
  let answer: LiveAnswer | undefined;
  let steps = 0;
  try {
    for (;;) {
      const next = await events.next();
      if (next.done === true) {
        const { outcome } = next.value.ending;
        return outcome === 'completed' || outcome === 'incomplete' ? answer : undefined;
      }
      if (next.value.type === 'step') {
        const { content, tool_calls: calls = [] } = next.value.visible;
        const said = saidIn(
          textOf(content),
          calls.map((call) => call.function),
        );
        answer = { said, last: actionOf(next.value.step, state.index + steps) };
        steps += 1;
      }
    }
  } catch (thrown) {
    if (thrown instanceof GyreError && thrown.side === 'engine') return undefined;
    throw thrown;
  }
}

/** As it would be logged, and judged. */
function actionOf({ messages, tools, action, calls }: Step, index: number): LiveAnswer['last'] {
  const made = calls.map(({ id, name, arguments: args }) => ({ id, name, arguments: args }));
  return { messages, tools, text: action?.text ?? '', calls: made, index };
}
