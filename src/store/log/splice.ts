/**
 * Finds the step a conversation continues, and splices the policy's history back in. The client resends what it saw;
 * the policy is to be conditioned on what the policy saw. Both histories are chains, and a step has its tip (the hash
 * of the last message) in each.
 */
import type { Hash } from '../../core/text/hash.js';
import type { Opening } from '../../core/log.js';
import type { Message } from '../../core/message.js';
import { isPolicyName } from '../../core/serving.js';
import { chainBody, type ChainedMessage, messageOf, readChain } from './chain.js';
import { prepared, type Db } from '../file/db.js';

/** Messages and their chain. The first `stored` of it are known to be rows; row `storedAt` is the last of those. */
export interface History {
  readonly messages: readonly Message[];
  readonly chain: readonly ChainedMessage[];
  readonly stored: number;
  readonly storedAt: number;
}

/** The step a conversation continues. */
export interface Continuation {
  readonly trajectoryId: string;
  /**
   * False when the trajectory has a later response already, when one is being recorded, or when another model took the
   * step: then the conversation is a branch.
   */
  readonly newest: boolean;
  /** Something was redacted in it: the log does not have the original messages. */
  readonly redacted: boolean;
  /** Position, in the client's messages, of the answer this step ended. */
  readonly at: number;
  readonly policyTip: Hash;
  /** Rows of the policy's tip, of the client's message before the answer, and of the answer as the client has it. */
  readonly policyAt: number;
  readonly clientAt: number;
  /** Null when the process was killed before the answer ended. */
  readonly answerAt: number | null;
}

/**
 * Whether the step `s` ended its response: no later step of the response was taken in another state. The
 * choices of one request share their state, so each is an end.
 */
export const IS_END = `NOT EXISTS (
  SELECT 1 FROM steps n WHERE n.trajectory_id = s.trajectory_id AND n.idx > s.idx
    AND n.response_id = s.response_id AND n.state_tip <> s.state_tip)`;

/**
 * Steps that ended a response with this client tip, newest first. One is superseded when a later response
 * took an action in its trajectory.
 */
const CANDIDATES = `
  SELECT s.trajectory_id AS trajectoryId, t.model, s.policy_tip AS policyTip, s.policy_at AS policyAt,
    s.client_at AS clientAt,
    coalesce(s.not_trainable, '') = 'redacted' AS redacted,
    CASE s.client_tip WHEN s.policy_tip THEN s.policy_at ELSE (SELECT m.id FROM messages m
      WHERE m.parent = s.client_at AND m.hash = s.client_tip) END AS answerAt,
    NOT EXISTS (
    SELECT 1 FROM steps l WHERE l.trajectory_id = s.trajectory_id AND l.idx > s.idx
      AND l.response_id <> s.response_id AND l.action_tip IS NOT NULL) AS newest
  FROM steps s JOIN trajectories t ON t.id = s.trajectory_id
  WHERE s.client_tip = ? AND s.key_id = ? AND t.origin = 'live' AND ${IS_END}
  ORDER BY s.seq DESC LIMIT 16`;

/**
 * The step that ended the longest known prefix of the client's messages under this key. Among several the first whose
 * trajectory can be continued: nothing came after the step, and no response in it is being recorded (`isOpen`). Only an
 * assistant's turn ends a response.
 *
 * Another model makes a branch: a trajectory is the policy's, in whichever versions, or one upstream's.
 */
export function findContinuation(
  db: Db,
  client: readonly ChainedMessage[],
  { messages, model, asker: { keyId } }: Opening,
  isOpen: (trajectoryId: string) => boolean,
): Continuation | undefined {
  const candidates = prepared<
    [string, string],
    Omit<Continuation, 'at' | 'newest' | 'redacted'> & {
      readonly newest: 0 | 1;
      readonly redacted: 0 | 1;
      readonly model: string;
    }
  >(db, CANDIDATES);
  for (let at = client.length - 1; at >= 0; at -= 1) {
    const tip = client[at]?.hash;
    if (tip === undefined || messages[at]?.role !== 'assistant') continue;
    const found = candidates.all(tip, keyId).map((row) => ({
      ...row,
      newest: row.newest === 1 && isSameActor(row.model, model) && !isOpen(row.trajectoryId),
      redacted: row.redacted === 1,
      at,
    }));
    const best = found.find((row) => row.newest) ?? found[0];
    if (best !== undefined) return best;
  }
  return undefined;
}

function isSameActor(a: string, b: string): boolean {
  return a === b || (isPolicyName(a) && isPolicyName(b));
}

/**
 * The policy's own history up to the continuation, then the rest of the client's messages. Where both chains are the
 * same the client's own message objects are taken, which have fields the chain does not keep. Undefined when a row of
 * the policy's history is missing.
 */
export function splice(
  db: Db,
  client: readonly ChainedMessage[],
  messages: readonly Message[],
  { at, policyTip, policyAt }: Continuation,
): History | undefined {
  const positions = new Map(client.slice(0, at + 1).map(({ hash }, position) => [hash, position]));
  const own = readChain(db, policyAt, (hash) => positions.has(hash));
  if (own === undefined) return undefined;
  const fork = own[0] === undefined ? policyTip : own[0].parent;
  const shared = fork === '' ? 0 : (positions.get(fork) ?? -1) + 1;
  let parent: Hash | '' = policyTip;
  const rest = client.slice(at + 1).map((message) => {
    const chained = message.parent === parent ? message : chainBody(parent, message.body);
    parent = chained.hash;
    return chained;
  });
  return {
    messages: [...messages.slice(0, shared), ...own.map((stored) => messageOf(stored.body)), ...messages.slice(at + 1)],
    chain: [...client.slice(0, shared), ...own, ...rest],
    stored: shared + own.length,
    storedAt: policyAt,
  };
}
