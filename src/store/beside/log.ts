/**
 * The step log as the gateway's thread has it: what is recorded is written into the intake once per turn of the event
 * loop, and sent to the log's thread, which commits it in groups. Nothing of SQLite runs here.
 */
import { writeJson } from '../../core/text/json.js';
import { newId } from '../../core/ids.js';
import type { Opening, Recording, StepLog } from '../../core/log.js';
import type { AssistantMessage, Message } from '../../core/message.js';
import type { Action, FunctionSpec } from '../../core/policy.js';
import type { Ending, Step } from '../../core/trajectory.js';
import { LogConnection, type LogConnectionOptions } from './connection.js';
import type { Opened } from './replies.js';
import type { PackedNumbers, RecordingMessage, StepMessage } from './wire.js';
import { versionColumn } from '../file/policy_version.js';
import { packStep } from '../file/tokens.js';

export interface RemoteLog extends StepLog {
  /** Resolves when every file is open that the log needs: from then on it can do without another file descriptor. */
  readonly ready: Promise<void>;
  /** Resolves when everything is committed and the log's thread has closed the store. */
  close(): Promise<void>;
}

/**
 * With patterns to redact there is no intake: nothing may be written before it is redacted, which the log's thread
 * does, so that answers wait for their commit.
 */
export function openRemoteLog(options: LogConnectionOptions): RemoteLog {
  const connection = new LogConnection(options);
  const redacts = (options.redact ?? []).length > 0;
  return {
    open(asked: Opening): Recording | Promise<Recording> {
      // Only a redactor looks at what is forwarded to the engine.
      const opening = redacts || asked.forwarded === undefined ? asked : { ...asked, forwarded: undefined };
      const number = connection.nextNumber();
      // A conversation without an answer in it can only be new: nothing has to be looked up.
      if (opening.origin === 'live' && opening.messages.some(({ role }) => role === 'assistant')) {
        return connection
          .open({ type: 'open', recording: number, opening })
          .then((opened) => new RemoteRecording(connection, number, opening, opened));
      }
      const opened = { trajectoryId: newId('traj', opening.at), continued: false };
      return new RemoteRecording(connection, number, opening, opened);
    },
    get failures(): number {
      return connection.failures;
    },
    get state() {
      return connection.state;
    },
    refusal: () => connection.refusal(),
    ready: connection.ready,
    flush: () => connection.flush(),
    close: () => connection.close(),
  };
}

class RemoteRecording implements Recording {
  readonly trajectoryId: string;
  readonly continued: boolean;
  readonly messages: readonly Message[];
  readonly past: Recording['past'];
  readonly #connection: LogConnection;
  readonly #number: number;
  /** The messages the log's thread has of this recording; the same object means the same message. */
  #sent: readonly Message[];
  /** Sent before the first step or end; then undefined. */
  #begin: RecordingMessage | undefined;
  #steps = 0;
  #lost = false;

  constructor(
    connection: LogConnection,
    number: number,
    opening: Opening,
    { trajectoryId, continued, messages, past }: Pick<Recording, 'trajectoryId' | 'continued'> & Partial<Opened>,
  ) {
    this.trajectoryId = trajectoryId;
    this.continued = continued;
    this.messages = messages ?? opening.messages;
    this.past = past;
    this.#connection = connection;
    this.#number = number;
    this.#sent = this.messages;
    this.#begin = {
      type: 'begin',
      recording: number,
      trajectoryId,
      messages,
      opening,
    };
  }

  step(step: Step, visible: AssistantMessage): Promise<boolean> {
    const { messages, appended, action } = step;
    let known = 0;
    while (known < messages.length && messages[known] === this.#sent[known]) known += 1;
    this.#sent = appended.length === 0 ? messages : [...messages, ...appended];
    const numbers = action === undefined ? undefined : packedNumbers(action);
    const plain = appended.length === 1 && isText(appended[0], action?.text) && isText(visible, action?.text);
    const kept = this.#record({
      type: 'step',
      recording: this.#number,
      known,
      added: messages.slice(known),
      tools: toolsJson(step.tools),
      step: stepFields(step, plain ? [] : appended, numbers === undefined),
      visible: plain ? undefined : visible,
      numbers,
    });
    this.#steps += 1;
    return kept.then((is) => {
      if (!is) this.#lost = true;
      return is;
    });
  }

  /** Kept only where its steps are: their promises have resolved before this one. */
  finish(ending: Ending): Promise<boolean> {
    const kept = this.#record({ type: 'finish', recording: this.#number, ending }, this.#steps > 0);
    return kept.then((is) => is && !this.#lost);
  }

  #record(message: RecordingMessage, numbered = false): Promise<boolean> {
    const begin = this.#begin;
    this.#begin = undefined;
    if (begin !== undefined) this.#connection.post(begin);
    return this.#connection.postAndWait(message, numbered);
  }
}

/** Whether a message of the policy is this text and nothing else: that is what most answers are. */
function isText(message: Message | undefined, text: string | undefined): boolean {
  return message?.role === 'assistant' && message.content === text && Object.keys(message).length === 2;
}

const specs = new WeakMap<FunctionSpec, string>();
const lists = new WeakMap<readonly FunctionSpec[], string>();

/** Server tools are the same objects in every request, and often the same list: each is put into JSON once. */
function toolsJson(tools: readonly FunctionSpec[]): string {
  let text = lists.get(tools);
  if (text === undefined) lists.set(tools, (text = listJson(tools)));
  return text;
}

function listJson(tools: readonly FunctionSpec[]): string {
  const texts = tools.map((spec) => {
    let text = specs.get(spec);
    if (text === undefined) specs.set(spec, (text = writeJson(spec)));
    return text;
  });
  return `[${texts.join(',')}]`;
}

/** Every field of `T` named, so that none can be forgotten; JSON leaves out what is undefined. */
type AllFields<T> = { readonly [K in keyof Required<T>]: T[K] | undefined };

/**
 * A step without what its message has elsewhere, and without the log-probabilities shown to the client, which are in
 * what it was told where they are logged. Field by field: objects spread out of parts cost a tenth of the gateway's
 * time.
 */
function stepFields(
  {
    id,
    policyVersion,
    toolChoice,
    callsAllowed,
    sampling,
    action,
    told,
    calls,
    outcome,
    notTrainable,
    startedAt,
    ms,
  }: Step,
  appended: Step['appended'],
  withNumbers: boolean,
): StepMessage['step'] {
  return {
    id,
    policyVersion: versionColumn(policyVersion),
    toolChoice,
    callsAllowed,
    sampling,
    action: action && actionFields(action, withNumbers),
    told,
    calls,
    appended,
    outcome,
    notTrainable,
    startedAt,
    ms,
  } satisfies AllFields<StepMessage['step']>;
}

function actionFields(
  {
    text,
    reasoning,
    calls,
    finishReason,
    cut,
    stopSequence,
    promptTokenIds,
    tokenIds,
    logprobs,
    usage,
    native,
    engineId,
    timings,
  }: Action,
  withNumbers: boolean,
): Action {
  const action = {
    text,
    reasoning,
    calls,
    finishReason,
    cut,
    stopSequence,
    usage,
    native,
    engineId,
    timings,
  } satisfies AllFields<Omit<Action, 'promptTokenIds' | 'tokenIds' | 'logprobs' | 'tokenLogprobs'>>;
  return withNumbers ? { ...action, promptTokenIds, tokenIds, logprobs } : action;
}

/**
 * Undefined where a number cannot be stored, e.g. a token id of 0.5: then the lists are sent as they are, and the log
 * refuses the step and says why.
 */
function packedNumbers({ promptTokenIds, tokenIds, logprobs }: Action): PackedNumbers | undefined {
  try {
    const bytes = packStep(promptTokenIds ?? [], tokenIds ?? [], logprobs ?? []).toString('base64');
    return { bytes, prompt: promptTokenIds?.length, ids: tokenIds?.length, logprobs: logprobs?.length };
  } catch {
    return undefined;
  }
}
