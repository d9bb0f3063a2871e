/**
 * Whether a text was said in a trajectory: by either side, in a message, a call or what a tool gave back. Messages are
 * shared between conversations, so each is looked at once.
 */
import { textOf, type Message } from '../../core/message.js';
import { messageOf } from '../log/chain.js';
import { prepared, type Db } from '../file/db.js';
import { answerRow, type MessageRow, type Place, unfollowedAction } from './said.js';

/** Rows that are remembered: about 10 MB. */
const REMEMBERED = 100_000;
/** What JSON writes as it is, so that a text can be looked for in the JSON. */
const PLAIN = /^[^"\\\p{Cc}\p{Cs}]*$/u;

/** How much was looked at. */
export interface Work {
  /** About as many rows were read by their ids. */
  rows: number;
}

/** As many characters are looked through in the time of a row. */
const CHARS = 4_000;

/** A search for a text, whatever its case, in one trajectory after another. */
export function searchFor(db: Db, text: string, work: Work): (trajectoryId: string) => boolean {
  const sought = folded(text);
  const plain = PLAIN.test(sought);
  /** By row: whether it is said there or before. */
  const known = new Map<number, boolean>();
  const one = prepared<[number], MessageRow & { parent: number }>(
    db,
    'SELECT id, parent, body FROM messages WHERE id = ?',
  );
  const isIn = (body: string): boolean =>
    (!plain || folded(body).includes(sought)) && folded(allOf(messageOf(body))).includes(sought);
  const upTo = (at: number): boolean => {
    const walked: number[] = [];
    let found = false;
    for (let id = at; id !== 0 && !found;) {
      const before = known.get(id);
      if (before !== undefined) {
        found = before;
        break;
      }
      const row = one.get(id);
      if (row === undefined) break;
      walked.push(id);
      work.rows += 1 + row.body.length / CHARS;
      found = isIn(row.body);
      id = row.parent;
    }
    if (known.size > REMEMBERED) known.clear();
    // Of those before the place where it is said nothing is known.
    for (const id of walked) known.set(id, found);
    return found;
  };
  return (trajectoryId) => {
    const steps = prepared<[string], Place>(
      db,
      `SELECT state_at AS stateAt, policy_at AS policyAt, client_at AS clientAt, state_tip AS stateTip,
        policy_tip AS policyTip, client_tip AS clientTip, action_tip AS actionTip
      FROM steps WHERE trajectory_id = ? AND response_id NOT IN (SELECT id FROM withdrawals) ORDER BY idx DESC`,
    ).all(trajectoryId);
    return steps.some((step) => {
      work.rows += 2;
      if (upTo(step.policyAt) || upTo(step.clientAt)) return true;
      const answer = step.clientTip === step.policyTip ? undefined : answerRow(db, step);
      return [unfollowedAction(db, step), answer].some((row) => row !== undefined && isIn(row.body));
    });
  };
}

function folded(text: string): string {
  return text.normalize('NFC').toLowerCase();
}

function allOf(message: Message): string {
  const calls = message.role === 'assistant' ? (message.tool_calls ?? []) : [];
  return [textOf(message.content), ...calls.flatMap((call) => [call.function.name, call.function.arguments])].join(
    '\n',
  );
}
