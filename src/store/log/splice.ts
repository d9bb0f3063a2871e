/**
 * Finds the step a conversation continues, and splices the policy's history back in. The client resends what it saw;
 * the policy is to be conditioned on what the policy saw. Both histories are chains, and a step has its tip (the hash
 * of the last message) in each.
 */
import type { Hash } from '../../core/text/hash.js';
import type { Opening } from '../../core/log.js';
import type { Message } from '../../core/message.js';
import { isPolicyName } from '../../core/serving.js';
import { chainBody, type ChainedMessage, chainMessage, messageOf, readChain, type StoredMessage } from './chain.js';
import { prepared, type Db } from '../file/db.js';
import { ordered } from '../../core/text/order.js';
import { inOrder } from './order.js';
import { keysOf } from './recognise.js';

/** Messages and their chain. The first `stored` of it are known to be rows; row `storedAt` is the last of those. */
export interface History {
  readonly messages: readonly Message[];
  readonly chain: readonly ChainedMessage[];
  readonly stored: number;
  readonly storedAt: number;
}

/** The step a conversation continues. */
export interface Continuation {
  readonly seq: number;
  readonly trajectoryId: string;
  readonly responseId: string;
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
  /** The answer as it was given. Where the client sends it in another form, its hash there is another. */
  readonly clientTip: Hash;
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
 * Steps that ended a response with this client tip or key, newest first. One is superseded when a later response
 * took an action in its trajectory.
 */
const CANDIDATES = (column: 'client_tip' | 'client_key'): string => `
  SELECT s.seq, s.trajectory_id AS trajectoryId, s.response_id AS responseId, t.model, s.policy_tip AS policyTip,
    s.client_tip AS clientTip, s.policy_at AS policyAt, s.client_at AS clientAt,
    coalesce(s.not_trainable, '') = 'redacted' AS redacted,
    CASE s.client_tip WHEN s.policy_tip THEN s.policy_at ELSE (SELECT m.id FROM messages m
      WHERE m.parent = s.client_at AND m.hash = s.client_tip) END AS answerAt,
    ${isNewest('s')} AS newest
  FROM steps s JOIN trajectories t ON t.id = s.trajectory_id
  WHERE s.${column} = ? AND s.key_id = ? AND t.origin = 'live' AND ${IS_END}
  ORDER BY s.seq DESC LIMIT 16`;
const BY_TIP = CANDIDATES('client_tip');
const BY_KEY = CANDIDATES('client_key');

function isNewest(step: string): string {
  return `NOT EXISTS (SELECT 1 FROM steps l WHERE l.trajectory_id = ${step}.trajectory_id AND l.idx > ${step}.idx
    AND l.response_id <> ${step}.response_id AND l.action_tip IS NOT NULL)`;
}

/** Whether the step's trajectory has no later response still, which another process may have written meanwhile. */
export function isStillNewest(db: Db, seq: number): boolean {
  return (
    prepared<[number], { readonly newest: 0 | 1 }>(
      db,
      `SELECT ${isNewest('s')} AS newest FROM steps s WHERE s.seq = ?`,
    ).get(seq)?.newest === 1
  );
}

type Candidate = Omit<Continuation, 'at' | 'newest' | 'redacted'> & {
  readonly newest: 0 | 1;
  readonly redacted: 0 | 1;
  readonly model: string;
};

/** A client's messages as far as the log knows them. */
interface Known {
  /** Position of the answer that ends them. */
  readonly at: number;
  /** Steps that ended so, newest first. */
  readonly candidates: readonly Candidate[];
}

/** The step a conversation continues, and the keys of all prefixes of it. */
export interface Found {
  readonly step: Continuation;
  readonly keys: readonly Hash[];
}

/**
 * The step that ended the longest known prefix of the client's messages under this key. Among several the first whose
 * trajectory can be continued: nothing came after the step, and `claim` gets it, because no response in it is being
 * recorded. Only an assistant's turn ends a response. A prefix is known by its hash or, where its client writes it in
 * another form, by the `keys` of the form all have in common.
 *
 * Another model makes a branch: a trajectory is the policy's, in whichever versions, or one upstream's.
 */
export function findContinuation(
  db: Db,
  client: readonly ChainedMessage[],
  keys: readonly Hash[],
  { messages, model, asker: { keyId } }: Opening,
  claim: (step: Continuation) => boolean,
): Found | undefined {
  const rows = (query: string, hash: Hash): Candidate[] =>
    prepared<[string, string], Candidate>(db, query).all(hash, keyId);
  const known = longestKnown(messages, client, keys, rows);
  if (known === undefined) return undefined;
  const { at } = known;
  const found = known.candidates.map((row) => ({
    ...row,
    newest: row.newest === 1 && isSameActor(row.model, model),
    redacted: row.redacted === 1,
    at,
  }));
  const newest = found.find((row) => row.newest && claim(row));
  const [first] = found;
  const step = newest ?? (first === undefined ? undefined : { ...first, newest: false });
  return step && { step, keys: known.keys };
}

/**
 * Turns whose arguments were no JSON are looked for only where nothing else goes on: that a turn was such a one is not
 * seen from what its client made of it.
 */
function longestKnown(
  messages: readonly Message[],
  client: readonly ChainedMessage[],
  keys: readonly Hash[],
  rows: (query: string, hash: Hash) => Candidate[],
): (Known & Pick<Found, 'keys'>) | undefined {
  let best: (Known & Pick<Found, 'keys'>) | undefined;
  const mended = new Set<number>();
  let known = keys;
  for (;;) {
    const after: number = best?.at ?? -1;
    const found = longest(messages, client, known, rows, after);
    if (found !== undefined) best = { ...found, keys: known };
    const next = messages.findIndex(({ role }, at) => role === 'assistant' && at > (best?.at ?? -1));
    const turn = messages[next];
    if (turn?.role !== 'assistant' || turn.tool_calls === undefined || mended.has(next)) return best;
    mended.add(next);
    known = keysOf(messages, client, mended);
    const key = known[next];
    if (key === undefined || rows(BY_KEY, key).length === 0) return best;
  }
}

function longest(
  messages: readonly Message[],
  client: readonly ChainedMessage[],
  keys: readonly Hash[],
  rows: (query: string, hash: Hash) => Candidate[],
  after: number,
): Known | undefined {
  for (let at = client.length - 1; at > after; at -= 1) {
    const tip = client[at]?.hash;
    const key = keys[at];
    if (tip === undefined || key === undefined || messages[at]?.role !== 'assistant') continue;
    let candidates = rows(BY_TIP, tip);
    if (candidates.length === 0) candidates = rows(BY_KEY, key);
    if (candidates.length === 0 && key !== tip) candidates = rows(BY_TIP, key);
    if (candidates.length > 0) return { at, candidates };
  }
  return undefined;
}

function isSameActor(a: string, b: string): boolean {
  return a === b || (isPolicyName(a) && isPolicyName(b));
}

/**
 * The policy's own history up to the continuation, then the rest of the client's messages, the results of the last turn
 * in the order of its calls. Where both chains are the same the client's own message objects are taken, which have
 * fields the chain does not keep. Undefined when a row of the policy's history is missing.
 */
export function splice(
  db: Db,
  client: readonly ChainedMessage[],
  messages: readonly Message[],
  { at, policyTip, policyAt }: Continuation,
): History | undefined {
  const found = storedHistory(db, client.slice(0, at + 1), policyTip, policyAt);
  if (found === undefined) return undefined;
  const { shared, own } = found;
  const before = [...messages.slice(0, shared), ...own.map((stored) => messageOf(stored.body))];
  const { kept, rest } = inOrder(before, ordered(messages.slice(at + 1)));
  const known = new Map<Message, ChainedMessage>(own.map((stored, nth) => [before[shared + nth] as Message, stored]));
  for (let next = at + 1; next < messages.length; next += 1)
    known.set(messages[next] as Message, client[next] as ChainedMessage);
  const last = own[kept - shared - 1];
  const all = kept === before.length;
  return {
    messages: [...before.slice(0, kept), ...rest],
    chain: extended(
      [...client.slice(0, shared), ...own].slice(0, kept),
      rest.map((message) => known.get(message) ?? chainMessage('', message)),
    ),
    stored: all || last !== undefined ? kept : 0,
    storedAt: all ? policyAt : (last?.at ?? 0),
  };
}

/**
 * The conversation as its client was given it, where it sends the answer in another form: the log has no second form
 * of it. Undefined when a row is missing.
 */
export function asGiven(
  db: Db,
  client: readonly ChainedMessage[],
  { at, clientTip, clientAt, answerAt }: Continuation,
): Omit<History, 'messages'> | undefined {
  const answered = answerAt === null ? 0 : 1;
  const storedAt = answerAt ?? clientAt;
  if (clientTip === client[at]?.hash) return { chain: client, stored: at + answered, storedAt };
  const tip = answerAt === null ? hashOf(db, clientAt) : clientTip;
  const found = storedHistory(db, client.slice(0, at + 1), tip, storedAt);
  if (found === undefined) return undefined;
  const chain = [...client.slice(0, found.shared), ...found.own];
  return { chain: extended(chain, client.slice(at + answered)), stored: chain.length, storedAt };
}

/** The chain that ends in a row: how many messages of the client's it begins with, and the others. */
function storedHistory(
  db: Db,
  client: readonly ChainedMessage[],
  tip: Hash | '',
  row: number,
): { readonly shared: number; readonly own: readonly StoredMessage[] } | undefined {
  const positions = new Map(client.map(({ hash }, position) => [hash, position]));
  const own = readChain(db, row, (hash) => positions.has(hash));
  if (own === undefined) return undefined;
  const fork = own[0] === undefined ? tip : own[0].parent;
  return { shared: fork === '' ? 0 : (positions.get(fork) ?? -1) + 1, own };
}

/** The chain with messages after it, which may have been chained after another. */
function extended(chain: readonly ChainedMessage[], rest: readonly ChainedMessage[]): ChainedMessage[] {
  let parent: Hash | '' = chain.at(-1)?.hash ?? '';
  const after = rest.map((message) => {
    const chained = message.parent === parent ? message : chainBody(parent, message.body);
    parent = chained.hash;
    return chained;
  });
  return [...chain, ...after];
}

function hashOf(db: Db, row: number): Hash | '' {
  return prepared<[number], { hash: Hash }>(db, 'SELECT hash FROM messages WHERE id = ?').get(row)?.hash ?? '';
}
