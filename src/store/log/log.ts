/**
 * The step log over SQLite: finds the trajectory a request continues, or begins one, and opens the recording of its
 * response. A fault of the store is counted and reported; the request goes on without the log.
 */
import { newId } from '../../core/ids.js';
import { logWaits, type LogWait, type Opening, type Recording } from '../../core/log.js';
import type { Message } from '../../core/message.js';
import type { Hash } from '../../core/text/hash.js';
import type { Redactor } from '../../core/text/redact.js';
import { normaliseMessages } from '../../core/text/spelling.js';
import { type ChainedMessage, chainMessages } from './chain.js';
import type { AnswerCount } from './answer_count.js';
import { prepared, type Store } from '../file/db.js';
import { GroupCommit } from '../file/group.js';
import type { LocalLog } from './local.js';
import { redacting } from './redacted.js';
import { ordered } from '../../core/text/order.js';
import { OpenRecordings } from './open_recordings.js';
import { keysOf, roughly } from './recognise.js';
import { asGiven, type Continuation, findContinuation, type History, isStillNewest, splice } from './splice.js';
import { pastTurns } from './turns.js';
import { LocalRecording, type LogContext, type StartingPoint } from './recording.js';
import { Writer } from './writer.js';

export interface LogOptions {
  /** Milliseconds a commit waits for more writes. */
  readonly flushMs?: number | undefined;
  readonly now?: (() => number) | undefined;
  /** Called with the reason each time `failures` grows. */
  readonly failed?: ((reason: unknown) => void) | undefined;
  readonly redactor?: Redactor | undefined;
  /** False for a log that only replays what a process that is gone has left: it answers nobody. */
  readonly answers?: boolean | undefined;
  /** Milliseconds that writes are kept while a fault passes; they have no other place than this process. */
  readonly patienceMs?: number | undefined;
  /** Called when the log begins to wait for a fault to pass, and with undefined when it has passed. */
  readonly waiting?: ((wait: LogWait | undefined) => void) | undefined;
  /** Called with the response of which something will not be written, through a fault of its own. */
  readonly refused?: ((responseId: string) => void) | undefined;
  /** Counts the answers of a gateway in the ledger; absent where nobody numbers them. */
  readonly answerCount?: AnswerCount | undefined;
}

/** How long a log without an intake keeps what it cannot write. */
const PATIENCE_MS = 60_000;

/**
 * The arguments of calls in one spelling, so that a client's follow-up is recognised whichever library it reads and
 * writes JSON with.
 */
function inOneSpelling(opening: Opening): Opening {
  const messages = normaliseMessages(opening.messages);
  return messages === opening.messages ? opening : { ...opening, messages };
}

/** What the policy gets of messages that the log has no form of its own of. */
function asSent(client: History): History {
  const messages = ordered(client.messages);
  return messages === client.messages ? client : { messages, chain: chainMessages(messages), stored: 0, storedAt: 0 };
}

/** A store has one log per thread: `flush` it before the store is closed. */
export function openLog(
  store: Store,
  {
    flushMs = 0,
    now = Date.now,
    failed = () => undefined,
    redactor,
    answers = true,
    patienceMs = PATIENCE_MS,
    waiting = () => undefined,
    refused = () => undefined,
    answerCount,
  }: LogOptions = {},
): LocalLog {
  const writer = new Writer(store.db, now, answerCount);
  const recorded = new OpenRecordings(store.sqlite.name, answers, (reason) => group.fail(reason));
  /** What answers are recognised by that may not be committed yet. */
  const uncommitted = new Set<string>();
  const group = new GroupCommit(
    store.sqlite,
    {
      begin: () => writer.begin(),
      end: () => {
        recorded.end();
        writer.end();
      },
      settled: (committed) => {
        writer.settled(committed);
        recorded.settled(committed);
        uncommitted.clear();
      },
    },
    { flushMs, failed, patienceMs, waiting },
  );

  const context: LogContext = {
    writer,
    group,
    now,
    stepQueued: (keyId, ...known) => {
      for (const form of known) uncommitted.add(`${keyId}\n${form}`);
    },
    stepWritten: (trajectoryId) => recorded.wrote(trajectoryId),
    finished: (trajectoryId) => recorded.ended(trajectoryId),
    unfinished: (trajectoryId) => recorded.opened(trajectoryId),
    refused,
  };

  const newTrajectory = (
    messages: readonly Message[],
    chain: readonly ChainedMessage[],
    trajectoryId: string,
  ): StartingPoint => {
    const client = { messages, chain, stored: 0, storedAt: 0 };
    const key = keysOf(messages, chain).at(-1) ?? '';
    return { trajectoryId, continued: false, client, key, policy: asSent(client) };
  };

  /** Evaluation and generation ask the same question many times over: each time begins a trajectory. */
  const startingPoint = (opening: Opening): StartingPoint => {
    const { messages, origin, asker, at } = opening;
    const chain = chainMessages(messages);
    const fresh = newTrajectory(messages, chain, newId('traj', at));
    if (origin !== 'live') return fresh;
    try {
      const keys = keysOf(messages, chain);
      const isUncommitted = (known = ''): boolean => uncommitted.has(`${asker.keyId}\n${known}`);
      if (
        messages.some(
          (message, position) =>
            message.role === 'assistant' &&
            [chain[position]?.hash, keys[position], roughly(message)].some((known) => isUncommitted(known)),
        )
      )
        group.commit();
      return continuation(opening, chain, keys) ?? fresh;
    } catch (thrown) {
      group.fail(thrown);
      return fresh;
    }
  };

  const take = ({ trajectoryId, seq }: Continuation): boolean =>
    recorded.take(trajectoryId, () => isStillNewest(store.db, seq));

  const continuation = (
    opening: Opening,
    chain: readonly ChainedMessage[],
    keys: readonly Hash[],
  ): StartingPoint | undefined => {
    const { messages, at } = opening;
    const known = findContinuation(store.db, chain, keys, opening, take);
    if (known === undefined) return undefined;
    const { step: found } = known;
    const newest = found.newest ? found.trajectoryId : undefined;
    try {
      const given = asGiven(store.db, chain, found);
      const sent = given?.chain === chain ? given : { chain, stored: 0, storedAt: 0 };
      const policy = found.redacted ? asSent({ messages, ...sent }) : splice(store.db, chain, messages, found);
      if (given !== undefined && policy !== undefined) {
        return {
          trajectoryId: newest ?? newId('traj', at),
          continued: found.newest,
          client: { messages, ...given },
          key: known.keys.at(-1) ?? '',
          policy,
          past: pastTurns(store.db, opening, given.chain, found.at, policy),
        };
      }
    } catch (thrown) {
      group.fail(thrown);
    }
    if (newest !== undefined) recorded.ended(newest);
    return undefined;
  };

  const record = (opening: Opening, from: StartingPoint): Recording => {
    const recording = new LocalRecording(context, opening, from);
    recorded.opened(recording.trajectoryId);
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
    abandon: (trajectoryId) => recorded.ended(trajectoryId),
    begins: () => recorded.begin(),
    fail: (reason) => group.fail(reason),
    get failures(): number {
      return group.failures;
    },
    get state() {
      return { wait: group.wait, uncommitted: { answers: 0, bytes: 0 }, wal: { bytes: 0, heldUp: 0 } };
    },
    refusal: () => (group.wait === undefined ? undefined : logWaits(group.wait, 'The answer could not be logged')),
    flush(): Promise<void> {
      group.commit();
      return group.idle().then(() => {
        try {
          writer.forgetDeleted();
        } catch {
          // The next transaction does it.
        }
      });
    },
    get sealed() {
      return writer.sealed;
    },
  };
  return redactor === undefined ? log : redacting(log, redactor);
}
