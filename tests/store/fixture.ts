/** A real store in a temporary folder, and a client and a policy that talk through its log without any engine. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { onTestFinished } from 'vitest';

import { newId } from '../../src/core/ids.js';
import type { Opening, StepLog, Recording } from '../../src/core/log.js';
import { assistantMessage, type AssistantMessage, type Message, type ToolCall } from '../../src/core/message.js';
import { type Action, type FunctionSpec, NO_USAGE } from '../../src/core/policy.js';
import type { Ending, OwnedCall, Step } from '../../src/core/trajectory.js';
import { openStore, type Store } from '../../src/store/file/db.js';
import type { LocalLog } from '../../src/store/log/local.js';
import { type LogOptions, openLog } from '../../src/store/log/log.js';

export const CALCULATOR: FunctionSpec = {
  name: 'calculator',
  description: 'Evaluates an expression.',
  parameters: { type: 'object' },
};
export const DONE: Ending = {
  outcome: 'completed',
  stopReason: 'stop',
  usage: NO_USAGE,
  toolUse: { requested: 0, executed: 0, by_tool: {} },
};

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-store-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Opened {
  readonly store: Store;
  readonly log: LocalLog;
}

export function opened(folder: string = temporaryFolder(), options: LogOptions = {}): Opened {
  const store = openStore(folder);
  onTestFinished(() => store.close());
  return { store, log: openLog(store, options) };
}

export const system = (content: string): Message => ({ role: 'system', content });
export const user = (content: string): Message => ({ role: 'user', content });
export const toolSays = (id: string, content: string): Message => ({ role: 'tool', tool_call_id: id, content });
export const call = (id: string, expression: string, name = 'calculator'): ToolCall => ({
  id,
  name,
  arguments: JSON.stringify({ expression }),
});

export function opening(messages: readonly Message[], more: Partial<Opening> = {}): Opening {
  const at = Date.now();
  return {
    asker: { keyId: '', consent: true },
    origin: 'live',
    responseId: newId('chatcmpl', at),
    requestId: newId('req', at),
    model: 'gyre',
    messages,
    at,
    ...more,
  };
}

export function action(text: string, calls: readonly ToolCall[] = [], more: Partial<Action> = {}): Action {
  return {
    text,
    calls,
    finishReason: calls.length > 0 ? 'tool_calls' : 'stop',
    cut: false,
    usage: NO_USAGE,
    timings: { startedAt: 0, totalMs: 5 },
    ...more,
  };
}

export function stepOf(messages: readonly Message[], taken: Action | undefined, more: Partial<Step> = {}): Step {
  const appended = taken === undefined ? [] : [assistantMessage(taken.text, taken.calls)];
  return {
    id: newId('step'),
    policyVersion: 0,
    messages,
    tools: [CALCULATOR],
    toolChoice: 'auto',
    sampling: { temperature: 0.7 },
    ...(taken === undefined ? {} : { action: taken }),
    calls: [],
    appended,
    outcome: 'done',
    startedAt: Date.now(),
    ms: 5,
    ...more,
  };
}

/** One call of an action, and who runs it; a server's call comes with what it gave. */
export interface Asked {
  readonly call: ToolCall;
  readonly gives?: string;
}

export interface Turn {
  readonly text: string;
  readonly asks?: readonly Asked[];
  readonly prompt?: readonly number[];
  readonly ids?: readonly number[];
}

export interface Answered {
  readonly recording: Recording;
  readonly steps: readonly Step[];
  /** The assistant turn as the client has it: text of all steps, its own calls of the last. */
  readonly turn: AssistantMessage;
  readonly opening: Opening;
  readonly kept: boolean;
}

/**
 * Answers one request the way the loop does: each turn is a step, server calls are observed and hidden from the client.
 */
export async function answer(
  log: StepLog,
  asked: Opening,
  turns: readonly Turn[],
  ending: Ending = DONE,
  beforeItEnds?: () => void,
): Promise<Answered> {
  const recording = await log.open(asked);
  let messages = recording.messages;
  let text = '';
  let turn: AssistantMessage = assistantMessage('', []);
  const steps: Step[] = [];
  const committed: Promise<boolean>[] = [];
  for (const planned of turns) {
    const asks = planned.asks ?? [];
    const taken = action(
      planned.text,
      asks.map((one) => one.call),
      {
        ...(planned.prompt === undefined ? {} : { promptTokenIds: planned.prompt }),
        ...(planned.ids === undefined
          ? {}
          : { tokenIds: planned.ids, logprobs: planned.ids.map((id) => Math.fround(-1 / (id + 1))) }),
      },
    );
    const calls = asks.map(({ call: made, gives }): OwnedCall =>
      gives === undefined
        ? { ...made, owner: 'client' }
        : { ...made, owner: 'server', observation: { content: gives, ms: 1 } },
    );
    const appended: Message[] = [
      assistantMessage(taken.text, taken.calls),
      ...asks.flatMap(({ call: made, gives }) => (gives === undefined ? [] : [toolSays(made.id, gives)])),
    ];
    const step = stepOf(messages, taken, { calls, appended });
    text += planned.text;
    turn = assistantMessage(
      text,
      asks.filter((one) => one.gives === undefined).map((one) => one.call),
    );
    committed.push(recording.step(step, turn));
    steps.push(step);
    messages = [...messages, ...appended];
  }
  if (beforeItEnds !== undefined) {
    await Promise.all(committed);
    beforeItEnds();
  }
  committed.push(recording.finish(ending));
  return { recording, steps, turn, opening: asked, kept: (await Promise.all(committed)).every(Boolean) };
}
