/**
 * What the log itself says of actions, as verdicts of the judge `signals`: new steps are gone through once, in their
 * order, and tell of themselves and of the answer that they come after. A log of any length is looked at a slice at a
 * time, and each step takes a bounded number of look-ups.
 */
import { corrects, type Signal, signalsIn, SIGNALS_VERSION, versionOf, wordOf } from '../../core/judging/signals.js';
import { textOf } from '../../core/message.js';
import { prepared, type Db } from '../file/db.js';
import { judgedTo, markJudged } from '../learning/verdicts.js';
import { messageOf } from '../log/chain.js';
import { lastSaid, say, type SpokenSubject, subjectsOf, type Word } from './spoken.js';
import { IS_ANSWER, MAY_BE_LEARNED, STEP_WITH_ALL } from './step_facts.js';

const SIGNALS = 'signals';
const SIGNALS_REF = { name: SIGNALS, version: SIGNALS_VERSION } as const;
/** Steps that one transaction looks at. */
const AT_ONCE = 500;
/** Calls of an answer that one is compared with, and turns that stand in place of another which are looked at. */
const BEFORE = 16;
const BESIDE = 8;

/** Of a call that was broken off, or was one too many, nobody knows whether it was wrong. */
const FAULTS: ReadonlySet<string> = new Set(['failed', 'timeout', 'unknown_tool', 'bad_arguments']);

interface Step {
  readonly seq: number;
  readonly id: string;
  readonly trajectoryId: string;
  readonly idx: number;
  readonly responseId: string;
  readonly keyId: string;
  readonly stateAt: number;
  readonly actionTip: string | null;
  readonly clientAt: number;
  readonly calls: string;
  readonly open: 0 | 1;
  readonly isAnswer: 0 | 1;
  readonly origin: string;
}

const STEPS = `SELECT s.seq, s.id, s.trajectory_id AS trajectoryId, s.idx, s.response_id AS responseId,
    s.key_id AS keyId, s.state_at AS stateAt, s.action_tip AS actionTip, s.client_at AS clientAt, s.calls,
    ${MAY_BE_LEARNED} AND s.policy_version > -1 AS open, ${IS_ANSWER} AS isAnswer, t.origin
  FROM ${STEP_WITH_ALL}`;

/** Whether there are more steps to look at. */
export function hearLog(db: Db): boolean {
  const newer = prepared<[number], { seq: number }>(db, 'SELECT seq FROM steps WHERE seq > ? LIMIT 1');
  if (newer.get(judgedTo(db, SIGNALS_REF)) === undefined) return false;
  return db.transaction(
    () => {
      const steps = prepared<[number], Step>(db, `${STEPS} WHERE s.seq > ? ORDER BY s.seq LIMIT ${AT_ONCE}`).all(
        judgedTo(db, SIGNALS_REF),
      );
      const last = steps.at(-1);
      if (last === undefined) return false;
      const heard = new Heard(db);
      for (const step of steps) hear(db, step, heard);
      heard.save();
      markJudged(db, SIGNALS_REF, last.seq);
      return newer.get(last.seq) !== undefined;
    },
    { behavior: 'immediate' },
  );
}

function hear(db: Db, step: Step, heard: Heard): void {
  // The learner's own conversations have nobody who would go on, or be content.
  if (step.calls !== '[]') hearCalls(db, step, heard);
  if (step.origin !== 'live') return;
  const before = step.idx === 0 ? undefined : stepAt(db, step.trajectoryId, step.idx - 1);
  if (before?.responseId === step.responseId) return;
  const said = messageAt(db, step.clientAt);
  if (said === undefined || !isUser(said.body)) return;
  if (before === undefined) hearBranch(db, step, said, heard);
  else if (before.isAnswer === 1) heard.add(before, corrects(wordsOf(said.body)) ? 'corrected' : 'went_on');
}

function hearCalls(db: Db, step: Step, heard: Heard): void {
  const records = JSON.parse(step.calls) as readonly { readonly error?: string | undefined }[];
  if (records.some(({ error }) => FAULTS.has(error ?? ''))) heard.add(step, 'tool_failed');
  const own = callsOf(db, step);
  if (own.length === 0) return;
  const earlier = prepared<[string, number, number, string], Step>(
    db,
    `${STEPS} WHERE s.trajectory_id = ? AND s.idx < ? AND s.idx >= ? AND s.response_id = ? AND s.calls <> '[]'`,
  ).all(step.trajectoryId, step.idx, step.idx - BEFORE, step.responseId);
  const made = new Set(earlier.filter(({ stateAt }) => stateAt !== step.stateAt).flatMap((each) => callsOf(db, each)));
  if (own.some((call) => made.has(call))) heard.add(step, 'called_again');
}

/** Each as one text. */
function callsOf(db: Db, { stateAt, actionTip }: Step): readonly string[] {
  const row = prepared<[number, string], { body: string }>(
    db,
    'SELECT body FROM messages WHERE parent = ? AND hash = ?',
  ).get(stateAt, actionTip ?? '');
  const message = row === undefined ? undefined : messageOf(row.body);
  if (message?.role !== 'assistant') return [];
  return (message.tool_calls ?? []).map(({ function: called }) => `${called.name} ${called.arguments}`);
}

interface Said {
  readonly id: number;
  readonly parent: number;
  readonly hash: string;
  readonly body: string;
}

/**
 * A conversation that leaves another one behind: at an answer of it the client has said something else than it had, or
 * the same once more. Where nothing was answered before, the same words may as well be another conversation.
 */
function hearBranch(db: Db, step: Step, said: Said, heard: Heard): void {
  const parent = messageAt(db, said.parent);
  if (parent === undefined || !isAssistant(parent.body)) return;
  const beside = prepared<[number, number], Said>(
    db,
    `SELECT id, parent, hash, body FROM messages WHERE parent = ? AND id < ? ORDER BY id DESC LIMIT ${BESIDE}`,
  ).all(said.parent, said.id);
  for (const other of [said, ...beside.filter(({ body }) => isUser(body))])
    for (const answered of answersTo(db, other.id, step))
      heard.add(answered, other.hash === said.hash ? 'regenerated' : 'edited');
}

/** Answers of the same key to this message, before the step. */
function answersTo(db: Db, messageId: number, { keyId, seq, trajectoryId }: Step): readonly Step[] {
  const hashes = prepared<[number], { hash: string }>(
    db,
    `SELECT DISTINCT hash FROM messages WHERE parent = ? ORDER BY id DESC LIMIT ${BESIDE}`,
  ).all(messageId);
  return hashes.flatMap(({ hash }) =>
    prepared<[string, string, number, number, string], Step>(
      db,
      `${STEPS} WHERE s.client_tip = ? AND s.key_id = ? AND s.client_at = ? AND s.seq < ? AND s.trajectory_id <> ?
        ORDER BY s.seq DESC LIMIT 1`,
    )
      .all(hash, keyId, messageId, seq, trajectoryId)
      .filter(({ isAnswer }) => isAnswer === 1),
  );
}

function stepAt(db: Db, trajectoryId: string, idx: number): Step | undefined {
  return prepared<[string, number], Step>(db, `${STEPS} WHERE s.trajectory_id = ? AND s.idx = ?`).get(
    trajectoryId,
    idx,
  );
}

function messageAt(db: Db, id: number): Said | undefined {
  return prepared<[number], Said>(db, 'SELECT id, parent, hash, body FROM messages WHERE id = ?').get(id);
}

/** In a canonical text fields are sorted: that of a user's message ends with its role. */
function isUser(body: string): boolean {
  return body.endsWith('"role":"user"}');
}

function isAssistant(body: string): boolean {
  return messageOf(body).role === 'assistant';
}

function wordsOf(body: string): string {
  const message = messageOf(body);
  return textOf(message.content);
}

/** What is known of each subject, with what its newest verdict was made of. */
class Heard {
  readonly #db: Db;
  readonly #subjects = new Map<string, { subject: SpokenSubject; known: string; signals: Set<Signal> }>();

  constructor(db: Db) {
    this.#db = db;
  }

  add(step: Step, signal: Signal): void {
    if (step.open === 0) return;
    for (const subject of subjectsOf(step)) this.#signalsOf(subject).add(signal);
  }

  #signalsOf(subject: SpokenSubject): Set<Signal> {
    const key = subject.join(' ');
    const before = this.#subjects.get(key);
    if (before !== undefined) return before.signals;
    const known = lastSaid(this.#db, SIGNALS, subject)?.version ?? '';
    const signals = new Set(signalsIn(known));
    this.#subjects.set(key, { subject, known, signals });
    return signals;
  }

  save(): void {
    const words = [...this.#subjects.values()].flatMap(({ subject, known, signals }): Word[] => {
      const version = versionOf(signals);
      return version === known ? [] : [{ subject, version, said: wordOf(signals) }];
    });
    say(this.#db, SIGNALS, words, Date.now());
  }
}
