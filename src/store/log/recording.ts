/**
 * The recording of one response in the log. Turns each step of the loop into rows and chained messages, outside the
 * transaction; what depends on other rows is left to the writer inside it.
 */
import { messageBody, type Hash } from '../../core/text/hash.js';
import type { Opening, Recording } from '../../core/log.js';
import { assistantMessage, type AssistantMessage, type Message } from '../../core/message.js';
import { NO_USAGE } from '../../core/policy.js';
import { writeJson } from '../../core/text/json.js';
import { normaliseMessage } from '../../core/text/spelling.js';
import type { Ending, OwnedCall, Step, Trajectory } from '../../core/trajectory.js';
import { chainBody, type ChainedMessage, chainMessage, chainMessages } from './chain.js';
import type { GroupCommit, Write } from '../file/group.js';
import { isMalformed, keyAfter, roughly } from './recognise.js';
import { nativeJson } from './turns.js';
import { versionColumn } from '../file/policy_version.js';
import type { History } from './splice.js';
import { packF32, packU32 } from '../file/tokens.js';
import type { StepRow, Writer } from './writer.js';

/** What the recordings of one log share. */
export interface LogContext {
  readonly writer: Writer;
  readonly group: GroupCommit;
  readonly now: () => number;
  /** Called before a step is committed, with all that its client's turn may be recognised by. */
  readonly stepQueued: (keyId: string, ...known: readonly string[]) => void;
  /** Called inside a transaction that writes a step. */
  readonly stepWritten: (trajectoryId: string) => void;
  /** Called when a recording has ended. */
  readonly finished: (trajectoryId: string) => void;
  /** Called when the transaction was rolled back in which a recording had ended. */
  readonly unfinished: (trajectoryId: string) => void;
  /** Called with the response of which a write is refused. */
  readonly refused: (responseId: string) => void;
}

/** Where a recording begins: its trajectory, and the conversation before its first step. */
export interface StartingPoint {
  readonly trajectoryId: string;
  readonly continued: boolean;
  /** The recording was open before: some of its steps may have their rows. */
  readonly reopened?: boolean | undefined;
  /** The conversation as the client has it. */
  readonly client: History;
  /** By what that is recognised, in whatever form its client sends it. */
  readonly key: Hash | '';
  /** The conversation as the policy has it. */
  readonly policy: History;
  readonly past?: Recording['past'];
}

/** What the end of a response needs of each step. */
interface WrittenStep {
  readonly stateTip: Hash | '';
  /** The assistant turn as the client has it after this step. */
  readonly visible: ChainedMessage;
}

export class LocalRecording implements Recording {
  readonly trajectoryId: string;
  readonly continued: boolean;
  readonly messages: readonly Message[];
  readonly past: Recording['past'];
  readonly #context: LogContext;
  readonly #opening: Opening;
  readonly #client: History;
  readonly #clientKey: Hash | '';
  readonly #policy: PolicyHistory;
  readonly #trajectory: Trajectory;
  /** The writer's epoch when the histories were found in the store. */
  readonly #epoch: number;
  readonly #reopened: boolean;
  /** Steps that have their row, or have it in the open transaction. */
  readonly #written = new Set<WrittenStep>();
  /** Rows of the messages this recording has written, by hash. */
  readonly #messageRows = new Map<Hash, number>();
  /** Whether everything so far is committed. */
  #complete = true;

  constructor(
    context: LogContext,
    opening: Opening,
    { trajectoryId, continued, client, key, policy, past, reopened = false }: StartingPoint,
  ) {
    const { asker, origin, model, taskId, metadata, at } = opening;
    this.trajectoryId = trajectoryId;
    this.continued = continued;
    this.messages = policy.messages;
    this.past = past;
    this.#context = context;
    this.#opening = opening;
    this.#client = client;
    this.#clientKey = key;
    this.#policy = new PolicyHistory(policy);
    this.#epoch = context.writer.epoch;
    this.#reopened = reopened;
    this.#trajectory = {
      id: trajectoryId,
      keyId: asker.keyId,
      origin,
      consent: asker.consent,
      model,
      taskId,
      metadata,
      createdAt: at,
    };
  }

  step(step: Step, visible: AssistantMessage): Promise<boolean> {
    return this.#add(() => this.#writeStep(step, visible));
  }

  async finish(ending: Ending, number?: number): Promise<boolean> {
    const committed = await this.#add(() => this.#writeEnd(ending, number));
    return committed && this.#complete;
  }

  async #add(prepare: () => Write): Promise<boolean> {
    let committed = false;
    try {
      committed = await this.#context.group.add(prepare());
    } catch (thrown) {
      this.#context.group.fail(thrown);
      this.#context.refused(this.#opening.responseId);
    }
    this.#complete &&= committed;
    return committed;
  }

  #writeStep(step: Step, visible: AssistantMessage): Write {
    const { writer, stepQueued, stepWritten, refused } = this.#context;
    const { asker, responseId, requestId, templateHash } = this.#opening;
    const { action } = step;
    const state = this.#policy.moveTo(step.messages);
    const emitted =
      action === undefined ? undefined : chainMessage(state.tip, assistantMessage(action.text, action.calls));
    const appended = this.#policy.append(step.appended, emitted);
    const given = normaliseMessage(visible);
    const shown = chainOrReuse(emitted, this.#client.chain.at(-1)?.hash ?? '', given);
    const malformed = isMalformed((action?.calls ?? []).filter(({ id }) => isIn(given, id)));
    const key = keyAfter(this.#clientKey, given, shown, malformed);
    const written: WrittenStep = { stateTip: state.tip, visible: shown };
    // One object from here to the driver: what only the transaction knows is 0 or empty here and set there, each time
    // the transaction is tried.
    const row: StepRow = {
      seq: 0,
      idx: 0,
      promptBase: null,
      promptShared: 0,
      promptSuffix: null,
      contentHash: '',
      stateAt: 0,
      policyAt: 0,
      clientAt: 0,
      toolSet: '',
      id: step.id,
      trajectoryId: this.trajectoryId,
      responseId,
      requestId,
      keyId: asker.keyId,
      policyVersion: versionColumn(step.policyVersion),
      consent: asker.consent,
      stateTip: state.tip,
      actionTip: emitted?.hash ?? null,
      policyTip: appended.at(-1)?.hash ?? state.tip,
      clientTip: shown.hash,
      clientKey: key === shown.hash ? null : key,
      toolChoice: JSON.stringify(step.toolChoice),
      callsAllowed: step.callsAllowed ?? null,
      sampling: JSON.stringify(step.sampling),
      templateHash: templateHash ?? null,
      tokenIds: action?.tokenIds === undefined ? null : packU32(action.tokenIds),
      logprobs: action?.logprobs === undefined ? null : packF32(action.logprobs),
      reasoning: action?.reasoning ?? null,
      native: this.#opening.upstream === undefined ? null : nativeJson(this.#opening.upstream, action?.native),
      told: step.told === undefined ? null : writeJson(step.told),
      calls: callsOf(step.calls),
      finishReason: action?.finishReason ?? null,
      cut: action?.cut ?? false,
      outcome: step.outcome,
      notTrainable: step.notTrainable ?? null,
      usage: JSON.stringify(action?.usage ?? NO_USAGE),
      timings: JSON.stringify({
        ms: step.ms,
        first_token_ms: action?.timings.firstTokenMs,
        total_ms: action?.timings.totalMs,
      }),
      startedAt: step.startedAt,
    };
    stepQueued(asker.keyId, shown.hash, key, ...(malformed ? [roughly(given)] : []));
    return {
      write: () => {
        stepWritten(this.trajectoryId);
        if (this.#isDeleted()) return false;
        if (this.#reopened && writer.hasStep(row.id, responseId)) {
          this.#written.add(written);
          return true;
        }
        const first = !this.continued && this.#written.size === 0 && writer.trajectory(this.#trajectory);
        row.clientAt = this.#writeHistory(this.#client);
        row.stateAt = this.#writeHistory(state);
        row.policyAt = writer.messages(appended, 0, row.stateAt, this.#messageRows);
        if (emitted !== undefined) writer.messages([emitted], 0, row.stateAt, this.#messageRows);
        row.toolSet = writer.toolSet(step.tools);
        writer.step(row, action?.promptTokenIds, action?.tokenIds, first);
        this.#written.add(written);
        return true;
      },
      undone: () => {
        this.#written.delete(written);
        this.#messageRows.clear();
      },
      refused: () => refused(responseId),
    };
  }

  /** Writes nothing where none of the response's steps could be committed. */
  #writeEnd(ending: Ending, number: number | undefined): Write {
    const { writer, now, finished, unfinished, refused } = this.#context;
    const { responseId: id, asker, at, asked } = this.#opening;
    return {
      write: () => {
        // Only inside the transaction: a follow-up must find the rows, or find that this is still being recorded.
        finished(this.trajectoryId);
        writer.countUsage(asker.keyId, at, ending.usage.prompt_tokens + ending.usage.completion_tokens);
        const there = this.#written.size > 0 && !this.#isDeleted();
        if (number !== undefined) writer.answer(number, there);
        if (!there) return false;
        const clientAt = this.#writeHistory(this.#client);
        // Only the last turn becomes a row of the client's chain: each turn before it is a prefix of the next. Several
        // choices share their state, and each of them is a last turn.
        const steps = [...this.#written];
        steps.forEach(({ stateTip, visible }, index) => {
          if (!steps.slice(index + 1).some((later) => later.stateTip !== stateTip))
            writer.messages([visible], 0, clientAt, this.#messageRows);
        });
        writer.response({
          id,
          trajectoryId: this.trajectoryId,
          keyId: asker.keyId,
          outcome: ending.outcome,
          stopReason: ending.stopReason,
          usage: JSON.stringify(ending.usage),
          toolUse: JSON.stringify(ending.toolUse),
          createdAt: at,
          ms: Math.max(0, Math.round(now() - at)),
          asked: asked === undefined ? null : writeJson(asked),
          contentHash: '',
        });
        return true;
      },
      undone: () => {
        unfinished(this.trajectoryId);
        this.#messageRows.clear();
      },
      refused: () => {
        finished(this.trajectoryId);
        if (number !== undefined) writer.refused(number);
        refused(id);
      },
    };
  }

  #isDeleted(): boolean {
    const begun = this.continued || this.#written.size > 0;
    return this.#context.writer.isDeleted(this.trajectoryId, this.#epoch, begun);
  }

  /**
   * Adds the rows a history lacks and returns its last row. Rows that were found in the store when the recording began
   * are trusted, unless something was deleted since.
   */
  #writeHistory({ chain, stored, storedAt }: Pick<History, 'chain' | 'stored' | 'storedAt'>): number {
    const { writer } = this.#context;
    return writer.epoch === this.#epoch
      ? writer.messages(chain, stored, storedAt, this.#messageRows)
      : writer.messages(chain, 0, 0, this.#messageRows);
  }
}

/** The message chained after `parent`: `known` itself where that is the same, so that nothing is hashed twice. */
function chainOrReuse(known: ChainedMessage | undefined, parent: Hash | '', message: Message): ChainedMessage {
  const body = messageBody(message);
  return known?.parent === parent && known.body === body ? known : chainBody(parent, body);
}

function isIn({ tool_calls: calls = [] }: AssistantMessage, id: string): boolean {
  return calls.some((call) => call.id === id);
}

/** Without arguments and observations, which are in the chain. */
function callsOf(calls: readonly OwnedCall[]): string {
  return JSON.stringify(
    calls.map(({ id, name, owner, observation }) => ({
      id,
      name,
      owner,
      error: observation?.error,
      ms: observation?.ms,
    })),
  );
}

/** The policy's history as a step was conditioned on it. */
interface State extends Pick<History, 'chain' | 'stored' | 'storedAt'> {
  readonly tip: Hash | '';
}

/** The policy's history as it grows. A message that is the same object as before is not hashed again. */
class PolicyHistory {
  /** How much of the history was in the store when the recording began. */
  readonly #found: Pick<History, 'stored' | 'storedAt'>;
  #messages: Message[];
  #chain: ChainedMessage[];

  constructor({ messages, chain, stored, storedAt }: History) {
    this.#messages = [...messages];
    this.#chain = [...chain];
    this.#found = { stored, storedAt };
  }

  /** Makes the history exactly these messages. */
  moveTo(messages: readonly Message[]): State {
    let same = 0;
    while (same < messages.length && this.#messages[same] === messages[same]) same += 1;
    this.#messages = [...messages];
    this.#chain = this.#chain.slice(0, same);
    for (const link of chainMessages(messages.slice(same), this.#chain.at(-1)?.hash ?? '')) this.#chain.push(link);
    const { stored, storedAt } = same < this.#found.stored ? { stored: 0, storedAt: 0 } : this.#found;
    return { stored, storedAt, chain: [...this.#chain], tip: this.#chain.at(-1)?.hash ?? '' };
  }

  /** Adds the messages that followed an action, which was `emitted`. */
  append(messages: readonly Message[], emitted: ChainedMessage | undefined): readonly ChainedMessage[] {
    const tip = this.#chain.at(-1)?.hash ?? '';
    const [turn, ...rest] = messages;
    if (turn === undefined) return [];
    const first = chainOrReuse(emitted, tip, turn);
    const added = [first, ...chainMessages(rest, first.hash)];
    for (const message of messages) this.#messages.push(message);
    for (const link of added) this.#chain.push(link);
    return added;
  }
}
