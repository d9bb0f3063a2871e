/** What was said in a trajectory: the conversation as its client or as the policy has it, and the first words of it. */
import { textOf, type Content, type Message } from '../../core/message.js';
import { messageOf, readChain } from '../log/chain.js';
import { prepared, type Db } from '../file/db.js';
import type { steps } from '../file/schema.js';

/** Where a step stands in both conversations. */
export type Place = Pick<
  typeof steps.$inferSelect,
  'stateAt' | 'policyAt' | 'clientAt' | 'stateTip' | 'policyTip' | 'clientTip' | 'actionTip'
>;

export interface MessageRow {
  readonly id: number;
  readonly body: string;
}

/** The conversation up to and with what a step ended: what the client sent and got, or what the policy saw and said. */
export function messagesAt(db: Db, step: Place, view: 'client' | 'policy'): Message[] {
  const [at, last] =
    view === 'client' ? [step.clientAt, answerRow(db, step)] : [step.policyAt, unfollowedAction(db, step)];
  const bodies = (readChain(db, at) ?? []).map(({ body }) => body);
  return (last === undefined ? bodies : [...bodies, last.body]).map((body) => {
    const message = messageOf(body);
    // Whoever reads it sees first who speaks: names of a canonical text are sorted.
    return Object.assign({ role: message.role }, message);
  });
}

/** The answer as the client has it; there is none before its response has ended. */
export function answerRow(db: Db, { clientAt, clientTip }: Place): MessageRow | undefined {
  return rowAfter(db, clientAt, clientTip);
}

/** An action after which nothing came, not even its own turn. */
export function unfollowedAction(db: Db, { stateAt, stateTip, policyTip, actionTip }: Place): MessageRow | undefined {
  return actionTip === null || policyTip !== stateTip ? undefined : rowAfter(db, stateAt, actionTip);
}

function rowAfter(db: Db, parent: number, hash: string): MessageRow | undefined {
  return prepared<[number, string], MessageRow>(db, 'SELECT id, body FROM messages WHERE parent = ? AND hash = ?').get(
    parent,
    hash,
  );
}

/** How many messages the chain has that ends in this row. */
export function lengthOf(db: Db, at: number): number {
  if (at === 0) return 0;
  return (
    prepared<[number], { count: number }>(
      db,
      `WITH RECURSIVE chain(id) AS (SELECT ? UNION ALL
        SELECT m.parent FROM chain c JOIN messages m ON m.id = c.id WHERE m.parent <> 0)
      SELECT count(*) AS count FROM chain`,
    ).get(at)?.count ?? 0
  );
}

/** The newest message of a user in the chain that ends in this row. */
export function newestQuestion(db: Db, at: number): Message | undefined {
  const one = prepared<[number], { parent: number; body: string }>(
    db,
    'SELECT parent, body FROM messages WHERE id = ?',
  );
  for (let row = one.get(at); row !== undefined; row = one.get(row.parent)) {
    // Names of a canonical text are sorted: only what a user or a system says ends like this.
    if (row.body.endsWith('"role":"user"}')) return messageOf(row.body);
  }
  return undefined;
}

const WORDS = 160;
const LETTERS = new Intl.Segmenter();

/** On one line, and cut where it is long. */
export function firstWords(text: string): string {
  const line = text
    .slice(0, 20 * WORDS)
    .replace(/\s+/g, ' ')
    .trim();
  if (line.length <= WORDS) return text.length > 20 * WORDS ? `${line}…` : line;
  // Not within what is read as one letter.
  const end = LETTERS.segment(line.slice(0, 2 * WORDS)).containing(WORDS)?.index ?? WORDS;
  return `${line.slice(0, end).trimEnd()}…`;
}

/** What a message says; what is not text by its kind. */
export function wordsOf(message: Message | undefined): string {
  if (message === undefined) return '';
  const said = partsOf(message.content);
  if (said !== '' || message.role !== 'assistant') return said;
  return (message.tool_calls ?? []).map((call) => `${call.function.name}(${call.function.arguments})`).join(' ');
}

function partsOf(content: Content | null): string {
  if (content === null || typeof content === 'string') return textOf(content);
  return content.map((part) => part.text ?? `[${part.type}]`).join(' ');
}
