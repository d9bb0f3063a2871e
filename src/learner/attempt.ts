/** One task answered by one version through the gateway's own loop, logged like any request. */
import { GyreError } from '../core/errors.js';
import { newId } from '../core/ids.js';
import { textOf } from '../core/message.js';
import type { Sampling } from '../core/policy.js';
import type { Task } from '../core/learning/task.js';
import type { Toolbox } from '../core/tool.js';
import type { Origin, Outcome } from '../core/trajectory.js';
import { limitsOf } from '../loop/budget.js';
import { run } from '../loop/run.js';
import type { Learner } from './deps.js';

export interface AttemptOptions {
  readonly version: number;
  readonly origin: Origin;
  readonly sampling: Sampling;
}

export interface Attempt {
  readonly trajectoryId: string;
  readonly responseId: string;
  readonly outcome: Outcome;
  /** The answer as a client would have read it. */
  readonly text: string;
}

/** Tokens one step of an attempt may take. */
const MAX_TOKENS = 256;

export async function attempt(
  learner: Learner,
  task: Task,
  { version, origin, sampling }: AttemptOptions,
): Promise<Attempt> {
  const { config } = learner;
  const names = task.tools ?? config['tools.default'];
  await learner.prepareTools(names);
  const serverTools = toolsOf(task, learner.toolbox, names);
  const responseId = newId('chatcmpl');
  const recording = await learner.log.open({
    asker: { keyId: '', consent: origin !== 'evaluate' },
    origin,
    responseId,
    requestId: newId('req'),
    model: version === 0 ? 'gyre@base' : `gyre@${version}`,
    messages: task.messages,
    taskId: task.id,
    templateHash: learner.templateHash,
    at: Date.now(),
  });
  const events = run(
    {
      model: learner.engineModel(version),
      policyVersion: version,
      messages: recording.messages,
      clientTools: [],
      serverTools,
      toolChoice: 'auto',
      sampling: { max_tokens: MAX_TOKENS, ...sampling },
    },
    learner.policy,
    limitsOf(config),
    learner.signal,
  );
  let text = '';
  for (;;) {
    const next = await events.next();
    if (next.done === true) {
      const { ending, fault } = next.value;
      await recording.finish(ending);
      if (fault !== undefined && fault.side === 'engine' && fault.status >= 500) throw fault;
      return { trajectoryId: recording.trajectoryId, responseId, outcome: ending.outcome, text };
    }
    if (next.value.type === 'step') {
      text = textOf(next.value.visible.content);
      await recording.step(next.value.step, next.value.visible);
    }
  }
}

function toolsOf(task: Task, toolbox: Toolbox, names: readonly string[]): Toolbox {
  return new Map(
    names.map((name) => {
      const tool = toolbox.get(name);
      if (tool === undefined)
        throw new GyreError({
          side: 'client',
          status: 400,
          code: 'unknown_tool',
          message:
            `task "${task.id}" names the tool "${name}", which does not exist; there are ` +
            [...toolbox.keys()].join(', '),
          param: 'tools',
        });
      return [name, tool];
    }),
  );
}
