/**
 * The step log over SQLite: finds the trajectory a request goes on from and gives it its thread. A fault
 * of the store is counted and told; the request goes on without the log.
 */
import { newId } from '../../core/ids.js';
import type { Opening, Thread } from '../../core/log.js';
import type { Message } from '../../core/message.js';
import type { Redactor } from '../../core/text/redact.js';
import { normaliseMessages } from '../../core/text/spelling.js';
import { type Link, linkAll } from './chain.js';
import { prepared, type Store } from '../file/db.js';
import { GroupCommit } from '../file/group.js';
import type { LocalLog } from './local.js';
import { redacting } from './redacted.js';
import { findContinuation, splice } from './splice.js';
import { type Desk, LogThread, type Place } from './recording.js';
import { Writer } from './writer.js';

export interface LogOptions {
  /** Milliseconds a commit waits for company. */
  readonly flushMs?: number | undefined;
  readonly now?: (() => number) | undefined;
  /** Told why, each time `failures` grows. */
  readonly failed?: ((reason: unknown) => void) | undefined;
  readonly redactor?: Redactor | undefined;
}

/**
 * The client's chain has its calls in one spelling, so that a client is known whichever library it reads and writes
 * JSON with.
 */
function known(opening: Opening): Opening {
  const messages = normaliseMessages(opening.messages);
  return messages === opening.messages ? opening : { ...opening, messages };
}

/** A store has one log per thread: `flush` it before the store is closed. */
export function openLog(
  store: Store,
  { flushMs = 0, now = Date.now, failed = () => undefined, redactor }: LogOptions = {},
): LocalLog {
  const writer = new Writer(store.db, now);
  /** Trajectories with a thread that has not finished: going on from one of them is a branch. */
  const answering = new Set<string>();
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

  const desk: Desk = {
    writer,
    group,
    now,
    queued: (keyId, clientTip) => void uncommitted.add(`${keyId}\n${clientTip}`),
    finished: (trajectoryId) => void answering.delete(trajectoryId),
  };

  const fresh = (messages: readonly Message[], links: readonly Link[], trajectoryId: string): Place => {
    const client = { messages, links, stored: 0, storedAt: 0 };
    return { trajectoryId, continued: false, client, policy: client };
  };

  /** Evaluation and generation ask the same question many times over: each time is a trajectory of its own. */
  const place = (opening: Opening): Place => {
    const { messages, origin, asker, at } = opening;
    const links = linkAll(messages);
    const other = fresh(messages, links, newId('traj', at));
    if (origin !== 'live') return other;
    try {
      if (
        messages.some(
          ({ role }, place) => role === 'assistant' && uncommitted.has(`${asker.keyId}\n${links[place]?.hash ?? ''}`),
        )
      )
        group.commit();
      return goingOn(opening, links) ?? other;
    } catch (thrown) {
      group.fail(thrown);
      return other;
    }
  };

  const goingOn = (opening: Opening, links: readonly Link[]): Place | undefined => {
    const { messages, at } = opening;
    const found = findContinuation(store.db, links, opening, (id) => answering.has(id));
    if (found === undefined) return undefined;
    const { at: place, clientAt, answerAt } = found;
    const client = {
      messages,
      links,
      ...(answerAt === null ? { stored: place, storedAt: clientAt } : { stored: place + 1, storedAt: answerAt }),
    };
    const policy = found.redacted ? client : splice(store.db, links, messages, found);
    if (policy === undefined) return undefined;
    return {
      trajectoryId: found.newest ? found.trajectoryId : newId('traj', at),
      continued: found.newest,
      client,
      policy,
    };
  };

  const threadAt = (opening: Opening, at: Place): Thread => {
    const thread = new LogThread(desk, opening, at);
    answering.add(thread.trajectoryId);
    return thread;
  };

  const isKnown = (trajectoryId: string): boolean =>
    prepared<[string]>(store.db, 'SELECT 1 FROM trajectories WHERE id = ?').get(trajectoryId) !== undefined;

  const log: LocalLog = {
    open(asked) {
      const opening = known(asked);
      return threadAt(opening, place(opening));
    },
    begin(asked, trajectoryId) {
      const opening = known(asked);
      return threadAt(opening, fresh(opening.messages, linkAll(opening.messages), trajectoryId));
    },
    recall(asked, trajectoryId) {
      const opening = known(asked);
      return threadAt(opening, { ...place(opening), trajectoryId, continued: isKnown(trajectoryId), recalled: true });
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
