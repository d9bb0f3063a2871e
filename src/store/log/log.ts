/**
 * The step log over SQLite: finds the trajectory a request continues, or begins one, and opens the recording of its
 * response. A fault of the store is counted and reported; the request goes on without the log.
 */
import { newId } from '../../core/ids.js';
import type { Opening, Recording } from '../../core/log.js';
import type { Message } from '../../core/message.js';
import type { Redactor } from '../../core/text/redact.js';
import { normaliseMessages } from '../../core/text/spelling.js';
import { type ChainedMessage, chainMessages } from './chain.js';
import { prepared, type Store } from '../file/db.js';
import { GroupCommit } from '../file/group.js';
import type { LocalLog } from './local.js';
import { redacting } from './redacted.js';
import { findContinuation, splice } from './splice.js';
import { LocalRecording, type LogContext, type StartingPoint } from './recording.js';
import { Writer } from './writer.js';

export interface LogOptions {
  /** Milliseconds a commit waits for more writes. */
  readonly flushMs?: number | undefined;
  readonly now?: (() => number) | undefined;
  /** Called with the reason each time `failures` grows. */
  readonly failed?: ((reason: unknown) => void) | undefined;
  readonly redactor?: Redactor | undefined;
}

/**
 * The arguments of calls in one spelling, so that a client's follow-up is recognised whichever library it reads and
 * writes JSON with.
 */
function inOneSpelling(opening: Opening): Opening {
  const messages = normaliseMessages(opening.messages);
  return messages === opening.messages ? opening : { ...opening, messages };
}

/** A store has one log per thread: `flush` it before the store is closed. */
export function openLog(
  store: Store,
  { flushMs = 0, now = Date.now, failed = () => undefined, redactor }: LogOptions = {},
): LocalLog {
  const writer = new Writer(store.db, now);
  /** Trajectories with a recording that has not finished: to continue one of them is a branch. */
  const recorded = new Set<string>();
  /** Client tips that may not be committed yet. */
  const uncommitted = new Set<string>();
  const group = new GroupCommit(
    store.sqlite,
    {
      begin: () => writer.begin(),
      end: () => writer.end(),
      settled: (committed) => {
        writer.settled(committed);
        uncommitted.clear();
      },
    },
    { flushMs, failed },
  );

  const context: LogContext = {
    writer,
    group,
    now,
    stepQueued: (keyId, clientTip) => void uncommitted.add(`${keyId}\n${clientTip}`),
    finished: (trajectoryId) => void recorded.delete(trajectoryId),
  };

  const newTrajectory = (
    messages: readonly Message[],
    chain: readonly ChainedMessage[],
    trajectoryId: string,
  ): StartingPoint => {
    const client = { messages, chain, stored: 0, storedAt: 0 };
    return { trajectoryId, continued: false, client, policy: client };
  };

  /** Evaluation and generation ask the same question many times over: each time begins a trajectory. */
  const startingPoint = (opening: Opening): StartingPoint => {
    const { messages, origin, asker, at } = opening;
    const chain = chainMessages(messages);
    const fresh = newTrajectory(messages, chain, newId('traj', at));
    if (origin !== 'live') return fresh;
    try {
      if (
        messages.some(
          ({ role }, position) =>
            role === 'assistant' && uncommitted.has(`${asker.keyId}\n${chain[position]?.hash ?? ''}`),
        )
      )
        group.commit();
      return continuation(opening, chain) ?? fresh;
    } catch (thrown) {
      group.fail(thrown);
      return fresh;
    }
  };

  const continuation = (opening: Opening, chain: readonly ChainedMessage[]): StartingPoint | undefined => {
    const { messages, at } = opening;
    const found = findContinuation(store.db, chain, opening, (id) => recorded.has(id));
    if (found === undefined) return undefined;
    const { at: position, clientAt, answerAt } = found;
    const client = {
      messages,
      chain,
      ...(answerAt === null ? { stored: position, storedAt: clientAt } : { stored: position + 1, storedAt: answerAt }),
    };
    const policy = found.redacted ? client : splice(store.db, chain, messages, found);
    if (policy === undefined) return undefined;
    return {
      trajectoryId: found.newest ? found.trajectoryId : newId('traj', at),
      continued: found.newest,
      client,
      policy,
    };
  };

  const record = (opening: Opening, from: StartingPoint): Recording => {
    const recording = new LocalRecording(context, opening, from);
    recorded.add(recording.trajectoryId);
    return recording;
  };

  const isStored = (trajectoryId: string): boolean =>
    prepared<[string]>(store.db, 'SELECT 1 FROM trajectories WHERE id = ?').get(trajectoryId) !== undefined;

  const log: LocalLog = {
    open(asked) {
      const opening = inOneSpelling(asked);
      return record(opening, startingPoint(opening));
    },
    begin(asked, trajectoryId) {
      const opening = inOneSpelling(asked);
      return record(opening, newTrajectory(opening.messages, chainMessages(opening.messages), trajectoryId));
    },
    reopen(asked, trajectoryId) {
      const opening = inOneSpelling(asked);
      const from = startingPoint(opening);
      return record(opening, { ...from, trajectoryId, continued: isStored(trajectoryId), reopened: true });
    },
    fail: (reason) => group.fail(reason),
    get failures(): number {
      return group.failures;
    },
    flush(): Promise<void> {
      group.commit();
      return Promise.resolve();
    },
  };
  return redactor === undefined ? log : redacting(log, redactor);
}
