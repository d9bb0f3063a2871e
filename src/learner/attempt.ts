/** One task answered by one version through the gateway's own loop, logged like any request. */
import { GyreError } from '../core/errors.js';
import { newId } from '../core/ids.js';
import { textOf } from '../core/message.js';
import type { Policy, Sampling } from '../core/policy.js';
import { capOf, type Task } from '../core/learning/task.js';
import type { Toolbox } from '../core/tool.js';
import type { Origin, Outcome, Step } from '../core/trajectory.js';
import { limitsOf } from '../loop/budget.js';
import { run } from '../loop/run.js';
import type { Learner } from './deps.js';

/** A model that is none of the policy's, and answers in its place for the policy to learn where it came to. */
export interface Teacher {
  /** By the name it has there. */
  readonly model: string;
  readonly host: string;
  readonly policy: Policy;
}

export interface AttemptOptions {
  readonly version: number;
  readonly origin: Origin;
  readonly sampling: Sampling;
  /** Answers instead of the version. */
  readonly teacher?: Teacher | undefined;
  /** Steps it may take; the task's own cap without it, else the gateway's. */
  readonly steps?: number | undefined;
  /** Server tools it is offered instead of the task's. */
  readonly tools?: readonly string[] | undefined;
  /** By which it is known again in the log. */
  readonly mark?: string | undefined;
}

export interface Attempt {
  readonly trajectoryId: string;
  readonly responseId: string;
  readonly outcome: Outcome;
  /** The answer as a client would have read it. */
  readonly text: string;
  readonly steps: readonly Step[];
  /** Calls that were run. */
  readonly calls: number;
}

/** Tokens one step of an attempt may take. */
const MAX_TOKENS = 256;
/** The same of a teacher, which may think before it speaks. */
const TAUGHT_TOKENS = 4_096;

export async function attempt(
  learner: Learner,
  task: Task,
  { version, origin, sampling, teacher, steps = capOf(task), tools, mark }: AttemptOptions,
): Promise<Attempt> {
  const { config } = learner;
  const names = tools ?? task.tools ?? config['tools.default'];
  await learner.prepareTools(names);
  const serverTools = toolsOf(task, learner.toolbox, names);
  const responseId = newId('chatcmpl');
  const recording = await learner.log.open({
    asker: { keyId: '', consent: origin !== 'evaluate' },
    origin,
    responseId,
    requestId: newId('req'),
    ...(teacher === undefined
      ? { model: version === 0 ? 'gyre@base' : `gyre@${version}`, templateHash: learner.templateHash }
      : { model: teacher.model, upstream: `${teacher.host} ${teacher.model}` }),
    messages: task.messages,
    taskId: task.id,
    ...(mark === undefined ? {} : { metadata: { gyre_asked: mark } }),
    at: Date.now(),
  });
  const limits = limitsOf(config);
  const events = run(
    {
      ...(teacher === undefined
        ? { model: learner.engineModel(version), policyVersion: version }
        : { model: teacher.model, withheld: 'upstream' as const }),
      messages: recording.messages,
      clientTools: [],
      serverTools,
      toolChoice: 'auto',
      sampling: { max_tokens: teacher === undefined ? MAX_TOKENS : TAUGHT_TOKENS, ...sampling },
    },
    teacher?.policy ?? learner.policy,
    steps === undefined ? limits : { ...limits, steps: origin === 'evaluate' ? Math.min(steps, limits.steps) : steps },
    learner.signal,
  );
  let text = '';
  const taken: Step[] = [];
  for (;;) {
    const next = await events.next();
    if (next.done === true) {
      const { ending, fault } = next.value;
      await recording.finish(ending);
      if (fault?.side === 'engine' && (fault.status >= 500 || fault.status === 429 || teacher !== undefined))
        throw fault;
      const { trajectoryId } = recording;
      return { trajectoryId, responseId, outcome: ending.outcome, text, steps: taken, calls: ending.toolUse.executed };
    }
    if (next.value.type === 'step') {
      text = textOf(next.value.visible.content);
      taken.push(next.value.step);
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
