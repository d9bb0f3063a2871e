/** What the policy is asked in each step of an answer. */
import { ANSWER_NOW } from '../core/last_turn.js';
import type { Message } from '../core/message.js';
import type { FunctionSpec, NativeTurn, PolicyRequest } from '../core/policy.js';
import type { Spent } from './budget.js';
import type { Toolbox } from '../core/tool.js';
import type { LoopRequest } from './events.js';
import type { Schema } from './schema.js';
import { CALLS_PER_ACTION } from './settle.js';

/** Said after an answer in words, where the client asked for a form. */
const IN_FORM = 'Now give this answer in the required format, and nothing else.';

/** The functions the policy may call, as the engine is sent them. */
export function declared(request: Pick<LoopRequest, 'clientTools' | 'serverTools'>): readonly FunctionSpec[] {
  if (request.serverTools.size === 0) return request.clientTools;
  if (request.clientTools.length === 0) return specsOf(request.serverTools);
  return [...request.clientTools, ...specsOf(request.serverTools)];
}

const specs = new WeakMap<Toolbox, readonly FunctionSpec[]>();

/** The same list for the same tools: what is made of it is made once. */
function specsOf(tools: Toolbox): readonly FunctionSpec[] {
  let found = specs.get(tools);
  if (found === undefined) specs.set(tools, (found = [...tools.values()].map((tool) => tool.spec)));
  return found;
}

/** `schema` says that this step is free of it, or that it is the one that must keep to it. */
export function policyRequest(
  request: LoopRequest,
  messages: readonly Message[],
  native: ReadonlyMap<Message, NativeTurn> | undefined,
  tools: readonly FunctionSpec[],
  spent: Spent,
  schema: { readonly of: Schema; readonly keeps: boolean } | undefined,
  bytesBefore: number,
): PolicyRequest {
  const first = spent.steps === 0;
  const ownCall = request.ownCall === true && !first;
  // `required` or a named function holds for the first step only: forced again, the policy could never answer. A call
  // of the client's own ends the answer.
  const toolChoice = first || ownCall || request.toolChoice === 'none' ? request.toolChoice : 'auto';
  return {
    model: request.model,
    messages,
    raw: request.raw,
    tools: ownCall ? request.clientTools : tools,
    toolChoice: schema?.keeps === true ? 'none' : toolChoice,
    sampling: request.sampling,
    parallelToolCalls: request.parallelToolCalls,
    n: request.n,
    topLogprobs: request.topLogprobs,
    forwarded: schema?.keeps === false ? schema.of.without : request.forwarded,
    requestId: request.requestId,
    ...(request.newestMedia === undefined ? {} : { newestMedia: request.newestMedia }),
    ...(bytesBefore === 0 ? {} : { bytesBefore }),
    ...(native === undefined ? {} : { native }),
  };
}

/** The messages before the policy's last turn: the last tool result says that it is the last. */
export function toldToAnswer(turn: readonly Message[]): readonly Message[] {
  return told(turn, ANSWER_NOW);
}

/** The last tool result says how many calls of the turn did not count. */
export function toldLeftOut(turn: readonly Message[], leftOut: number): readonly Message[] {
  if (leftOut === 0) return turn;
  return told(turn, `Of one turn ${CALLS_PER_ACTION} calls are run. ${leftOut} more of this turn were not.`);
}

function told(turn: readonly Message[], words: string): readonly Message[] {
  const last = turn.at(-1);
  if (last?.role !== 'tool' || typeof last.content !== 'string') return turn;
  return [...turn.slice(0, -1), { ...last, content: `${last.content}\n\n${words}` }];
}

/** After an answer in words: what asks for it in the form the client wants. */
export function askedInForm(turn: readonly Message[]): readonly Message[] {
  return [...turn, { role: 'user', content: IN_FORM }];
}
