/**
 * What is known of the turns of a conversation that goes on, beyond their words: who took them, and how an upstream's
 * came, in fields of its own that it wants back. Only who took a turn is given it.
 */
import type { Opening } from '../../core/log.js';
import type { NativeTurn, PastTurns } from '../../core/policy.js';
import { parseJson, writeJson } from '../../core/text/json.js';
import { prepared, type Db } from '../file/db.js';
import { UPSTREAM_STEP } from '../file/policy_version.js';
import type { ChainedMessage } from './chain.js';
import type { History } from './splice.js';

/** The column `native`: `by` is the upstream as {@link Opening} names it. */
type Column = Partial<NativeTurn> & { readonly by: string };

export function nativeJson(by: string, turn: NativeTurn | undefined): string {
  return writeJson({
    by,
    ...(turn === undefined ? {} : { message: turn.message, calls: turn.calls }),
  } satisfies Column);
}

interface Taker {
  readonly version: number;
  readonly native: string | null;
  readonly model: string;
}

/**
 * `given` is the conversation as its client was given it, up to the place `at` of the last answer that is known;
 * `policy` is the policy's history.
 */
export function pastTurns(
  db: Db,
  { messages, model, upstream, asker: { keyId } }: Opening,
  given: readonly ChainedMessage[],
  at: number,
  policy: History,
): PastTurns | undefined {
  const turns = messages.slice(0, at + 1).map((message) => (message.role === 'assistant' ? message : undefined));
  // The policy's own history has what it reasoned only where its client sends that.
  if (upstream === undefined && !turns.some((turn) => turn?.reasoning !== undefined)) return undefined;
  const isOwn = ({ version, native, model: name }: Taker): boolean => {
    if (version !== UPSTREAM_STEP || upstream === undefined)
      return (version !== UPSTREAM_STEP) === (upstream === undefined);
    // Earlier builds logged only the name that its clients have for it.
    return native === null ? name === model : columnOf(native).by === upstream;
  };
  const isForeign = (hash: string): boolean => {
    const takers = prepared<[string, string], Taker>(
      db,
      `SELECT s.policy_version AS version, s.native, t.model FROM steps s JOIN trajectories t ON t.id = s.trajectory_id
       WHERE s.client_tip = ? AND s.key_id = ? LIMIT 16`,
    ).all(hash, keyId);
    return takers.length > 0 && !takers.some(isOwn);
  };
  const foreign = turns.flatMap((turn, place) => {
    const hash = given[place]?.hash;
    return turn !== undefined && hash !== undefined && isForeign(hash) ? [place] : [];
  });
  const native =
    upstream === undefined
      ? []
      : policy.chain.flatMap(({ hash }, place): PastTurns['native'][number][] => {
          if (policy.messages[place]?.role !== 'assistant') return [];
          const turn = nativeOf(db, keyId, upstream, hash);
          return turn === undefined ? [] : [[place, turn]];
        });
  return { native, foreign };
}

function nativeOf(db: Db, keyId: string, upstream: string, hash: string): NativeTurn | undefined {
  const rows = prepared<[string, string], { native: string }>(
    db,
    'SELECT native FROM steps WHERE action_tip = ? AND key_id = ? AND native IS NOT NULL ORDER BY seq DESC LIMIT 16',
  ).all(hash, keyId);
  for (const row of rows) {
    const { by, message, calls } = columnOf(row.native);
    if (by === upstream && message !== undefined && calls !== undefined) return { message, calls };
  }
  return undefined;
}

function columnOf(json: string): Column {
  return parseJson(json) as Column;
}
