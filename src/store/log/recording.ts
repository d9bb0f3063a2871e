/**
 * One request's place in the log. Turns what the loop says of a step into rows and links, outside the
 * transaction; what depends on other rows is left to the writer inside it.
 */
import { messageBody, type Hash } from '../../core/text/hash.js';
import type { Opening, Thread } from '../../core/log.js';
import { assistantMessage, type AssistantMessage, type Message } from '../../core/message.js';
import { NO_USAGE } from '../../core/policy.js';
import { spelledAlike } from '../../core/text/spelling.js';
import type { Ending, OwnedCall, Step } from '../../core/trajectory.js';
import { link, linkAll, relink, type Link } from './chain.js';
import type { GroupCommit, Write } from '../file/group.js';
import { versionColumn } from '../file/policy_version.js';
import type { History } from './splice.js';
import { packF32, packU32 } from '../file/tokens.js';
import type { StepRow, TrajectoryRow, Writer } from './writer.js';

/** What threads of one log share. */
export interface Desk {
  readonly writer: Writer;
  readonly group: GroupCommit;
  readonly now: () => number;
  /** Told of a step's client tip before it is committed, and of a thread's end. */
  readonly queued: (keyId: string, clientTip: Hash) => void;
  readonly finished: (trajectoryId: string) => void;
}

export interface Place {
  readonly trajectoryId: string;
  readonly continued: boolean;
  /** It was open before: some of its steps may have their rows. */
  readonly recalled?: boolean | undefined;
  /** The conversation as the client has it. */
  readonly client: History;
  /** The conversation as the policy has it. */
  readonly policy: History;
}

/** A step as the end of its response needs it. */
interface Said {
  readonly state: Hash | '';
  readonly shown: Link;
}

export class LogThread implements Thread {
  readonly trajectoryId: string;
  readonly continued: boolean;
  readonly messages: readonly Message[];
  readonly #desk: Desk;
  readonly #opening: Opening;
  readonly #client: History;
  readonly #path: Path;
  readonly #trajectory: TrajectoryRow;
  /** The store as it was when the histories were found in it. */
  readonly #epoch: number;
  readonly #recalled: boolean;
  /** Steps that have their row, or have it in the open transaction. */
  readonly #rows = new Set<Said>();
  /** Message rows this thread has met. */
  readonly #known = new Map<Hash, number>();
  /** Whether nothing was lost so far. */
  #whole = true;

  constructor(desk: Desk, opening: Opening, { trajectoryId, continued, client, policy, recalled = false }: Place) {
    const { asker, origin, model, taskId, metadata, at } = opening;
    this.trajectoryId = trajectoryId;
    this.continued = continued;
    this.messages = policy.messages;
    this.#desk = desk;
    this.#opening = opening;
    this.#client = client;
    this.#path = new Path(policy);
    this.#epoch = desk.writer.epoch;
    this.#recalled = recalled;
    this.#trajectory = {
      id: trajectoryId,
      keyId: asker.keyId,
      origin,
      consent: asker.consent,
      model,
      taskId: taskId ?? null,
      metadata: metadata === undefined ? null : JSON.stringify(metadata),
      createdAt: at,
    };
  }

  step(step: Step, visible: AssistantMessage): Promise<boolean> {
    return this.#add(() => this.#writeStep(step, visible));
  }

  async finish(ending: Ending): Promise<boolean> {
    const ended = await this.#add(() => this.#writeEnd(ending));
    return ended && this.#whole;
  }

  async #add(prepare: () => Write): Promise<boolean> {
    let committed = false;
    try {
      committed = await this.#desk.group.add(prepare());
    } catch (thrown) {
      this.#desk.group.fail(thrown);
    }
    this.#whole &&= committed;
    return committed;
  }

  #writeStep(step: Step, visible: AssistantMessage): Write {
    const { writer, queued } = this.#desk;
    const { asker, responseId, requestId, templateHash } = this.#opening;
    const { action } = step;
    const state = this.#path.moveTo(step.messages);
    const emitted = action === undefined ? undefined : link(state.tip, assistantMessage(action.text, action.calls));
    const appended = this.#path.append(step.appended, emitted);
    const shown = linkLike(emitted, this.#client.links.at(-1)?.hash ?? '', spelledAlike(visible));
    const said: Said = { state: state.tip, shown };
    // One object from here to the driver: what only the transaction knows is filled in there, again when it is tried
    // again.
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
      toolChoice: JSON.stringify(step.toolChoice),
      sampling: JSON.stringify(step.sampling),
      templateHash: templateHash ?? null,
      tokenIds: action?.tokenIds === undefined ? null : packU32(action.tokenIds),
      logprobs: action?.logprobs === undefined ? null : packF32(action.logprobs),
      reasoning: action?.reasoning ?? null,
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
    queued(asker.keyId, shown.hash);
    return {
      write: () => {
        if (writer.gone(this.trajectoryId, this.#epoch)) return false;
        if (this.#recalled && writer.hasStep(row.id)) {
          this.#rows.add(said);
          return true;
        }
        const first = !this.continued && this.#rows.size === 0 && writer.trajectory(this.#trajectory);
        row.clientAt = this.#chain(this.#client);
        row.stateAt = this.#chain(state);
        row.policyAt = writer.chain(appended, 0, row.stateAt, this.#known);
        if (emitted !== undefined) writer.chain([emitted], 0, row.stateAt, this.#known);
        row.toolSet = writer.toolSet(step.tools);
        writer.step(row, action?.promptTokenIds, action?.tokenIds, first);
        this.#rows.add(said);
        return true;
      },
      undone: () => {
        this.#rows.delete(said);
        this.#known.clear();
      },
    };
  }

  /** A response none of whose steps could be kept has nothing to be the end of. */
  #writeEnd(ending: Ending): Write {
    const { writer, now, finished } = this.#desk;
    const { responseId: id, asker, at } = this.#opening;
    return {
      write: () => {
        // Not before the rows are there: whoever asks next must see them, or see that this is being answered.
        finished(this.trajectoryId);
        writer.used(asker.keyId, at, ending.usage.prompt_tokens + ending.usage.completion_tokens);
        if (this.#rows.size === 0 || writer.gone(this.trajectoryId, this.#epoch)) return false;
        const clientAt = this.#chain(this.#client);
        // Only ends become rows of the client's chain: each turn inside a response repeats the one before.
        const kept = [...this.#rows];
        kept.forEach((said, index) => {
          if (!kept.slice(index + 1).some((later) => later.state !== said.state))
            writer.chain([said.shown], 0, clientAt, this.#known);
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
          contentHash: '',
        });
        return true;
      },
      undone: () => {
        finished(this.trajectoryId);
        this.#known.clear();
      },
    };
  }

  /**
   * Rows for a whole history. What was found in the store is not looked at again unless something was deleted since.
   */
  #chain({ links, stored, storedAt }: Pick<History, 'links' | 'stored' | 'storedAt'>): number {
    const { writer } = this.#desk;
    return writer.epoch === this.#epoch
      ? writer.chain(links, stored, storedAt, this.#known)
      : writer.chain(links, 0, 0, this.#known);
  }
}

/** The message's link after `parent`; `known` where it is that already. */
function linkLike(known: Link | undefined, parent: Hash | '', message: Message): Link {
  const body = messageBody(message);
  return known?.parent === parent && known.body === body ? known : relink(parent, body);
}

/** Arguments and observations are in the chain already. */
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

/** A prefix of the path as it was when a step was taken. */
interface State extends Pick<History, 'links' | 'stored' | 'storedAt'> {
  readonly tip: Hash | '';
}

/** The policy's history as it grows. A message that is the same object as before is not hashed again. */
class Path {
  readonly #found: Pick<History, 'stored' | 'storedAt'>;
  #messages: Message[];
  #links: Link[];

  constructor({ messages, links, stored, storedAt }: History) {
    this.#messages = [...messages];
    this.#links = [...links];
    this.#found = { stored, storedAt };
  }

  /** Makes the path exactly these messages. */
  moveTo(messages: readonly Message[]): State {
    let same = 0;
    while (same < messages.length && this.#messages[same] === messages[same]) same += 1;
    this.#messages = [...messages];
    this.#links = this.#links.slice(0, same);
    this.#links.push(...linkAll(messages.slice(same), this.#links.at(-1)?.hash ?? ''));
    const { stored, storedAt } = same < this.#found.stored ? { stored: 0, storedAt: 0 } : this.#found;
    return { stored, storedAt, links: [...this.#links], tip: this.#links.at(-1)?.hash ?? '' };
  }

  /** Adds what followed the action; the first link is `emitted` where it says the same. */
  append(messages: readonly Message[], emitted: Link | undefined): readonly Link[] {
    const tip = this.#links.at(-1)?.hash ?? '';
    const [turn, ...rest] = messages;
    if (turn === undefined) return [];
    const first = linkLike(emitted, tip, turn);
    const added = [first, ...linkAll(rest, first.hash)];
    this.#messages.push(...messages);
    this.#links.push(...added);
    return added;
  }
}
