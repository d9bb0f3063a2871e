/**
 * Which steps people are asked to label next: those of which judges are least sure, over which they disagree, and where
 * users say otherwise than judges; and a tenth by chance. Drawn from a bounded part of the log, so that it takes as
 * long in a large log as in a small one: the newest steps, stretches at random, and what users have rated lately.
 */
import { prepared, type Db } from '../file/db.js';
import { STANDS } from './person.js';
import { MAY_BE_LEARNED, STEP_WITH_ALL } from './step_facts.js';

const NEWEST = 1_000;
const STRETCHES = 40;
const STRETCH = 50;
const RATED = 300;
/** The part that is drawn by chance: what is asked only where judges doubt says nothing of where they are wrong. */
const BY_CHANCE = 0.1;
/** So sure is nobody of a step that no judge has told of. */
const UNTOLD = 0.75;
/** Digits and signs do not make another kind of question. */
const WORDS = /\p{L}{2,}/gu;

export interface Queued {
  readonly id: string;
  readonly cluster: string;
}

interface Row {
  readonly id: string;
  readonly trajectoryId: string;
  readonly tool: string | null;
  readonly family: string | null;
  readonly said: string | null;
}

const ROWS = `SELECT s.id, s.trajectory_id AS trajectoryId, s.calls ->> '$[0].name' AS tool,
    (SELECT coalesce(k.body ->> '$.metadata.family', k.id) FROM tasks k WHERE k.id = t.task_id) AS family,
    (SELECT substr(m.body, 1, 300) FROM messages m WHERE m.id = s.client_at) AS said
  FROM ${STEP_WITH_ALL}
  WHERE s.policy_version > -1 AND t.origin <> 'evaluate' AND ${MAY_BE_LEARNED}
    AND NOT EXISTS (SELECT 1 FROM tasks h WHERE h.id = t.task_id AND h.split = 'heldout')
    AND NOT EXISTS (SELECT 1 FROM labels l WHERE l.step_id = s.id AND ${STANDS})`;

/** At most `count` steps, clusters by turns, each of another conversation where it can be. `random`: from 0 up to 1. */
export function queued(db: Db, count: number, random: () => number = Math.random): readonly Queued[] {
  const rows = poolOf(db, random);
  const doubts = doubtsOf(db, [...rows.keys()]);
  const by = (of: (doubt: Doubt) => number): readonly string[] =>
    [...doubts]
      .filter(([, doubt]) => of(doubt) > 0)
      .sort(([, a], [, b]) => of(b) - of(a))
      .map(([id]) => id);
  const reasons = [by(({ against }) => against), by(({ disputed }) => Number(disputed)), by(({ unsure }) => unsure)];
  const all = shuffled([...rows.keys()], random);
  const [taken, clusters, conversations] = [new Set<string>(), new Map<string, number>(), new Set<string>()];
  const next = (list: readonly string[]): string | undefined => {
    const free = list.filter((id) => !taken.has(id));
    const given = (id: string): number => clusters.get(clusterOf(rows.get(id))) ?? 0;
    const fewest = free.reduce((least, id) => Math.min(least, given(id)), Number.POSITIVE_INFINITY);
    const due = free.filter((id) => given(id) === fewest);
    return due.find((id) => !conversations.has(rows.get(id)?.trajectoryId ?? '')) ?? due[0];
  };
  const drawn: Queued[] = [];
  for (let turn = 0; drawn.length < count && taken.size < rows.size;) {
    let id = random() < BY_CHANCE ? next(all) : undefined;
    for (let tried = 0; id === undefined && tried < reasons.length; tried += 1, turn += 1)
      id = next(reasons[turn % reasons.length] ?? []);
    id ??= next(all);
    if (id === undefined) break;
    const cluster = clusterOf(rows.get(id));
    taken.add(id);
    conversations.add(rows.get(id)?.trajectoryId ?? '');
    clusters.set(cluster, (clusters.get(cluster) ?? 0) + 1);
    drawn.push({ id, cluster });
  }
  return drawn;
}

function poolOf(db: Db, random: () => number): ReadonlyMap<string, Row> {
  const newest = prepared<[], { seq: number | null }>(db, 'SELECT max(seq) AS seq FROM steps').get()?.seq ?? 0;
  const stretch = prepared<[number, number], Row>(db, `${ROWS} AND s.seq > ? AND s.seq <= ?`);
  const recent = Math.max(0, newest - NEWEST);
  const parts = [stretch.all(recent, newest)];
  if (recent <= STRETCHES * STRETCH) parts.push(stretch.all(0, recent));
  else
    for (let at = 0; at < STRETCHES; at += 1) {
      const from = Math.floor(random() * (recent - STRETCH));
      parts.push(stretch.all(from, from + STRETCH));
    }
  parts.push(
    prepared<[], Row>(
      db,
      `${ROWS} AND s.trajectory_id IN (SELECT trajectory_id FROM feedback ORDER BY rowid DESC LIMIT ${RATED})
        AND s.response_id IN (SELECT response_id FROM feedback ORDER BY rowid DESC LIMIT ${RATED})`,
    ).all(),
  );
  return new Map(parts.flat().map((row) => [row.id, row]));
}

/** The tool that is called, the family of the task, or how what the user said begins. */
function clusterOf(row: Row | undefined): string {
  if (row === undefined) return '';
  if (row.tool !== null) return `tool ${row.tool}`;
  if (row.family !== null) return `task ${row.family}`;
  // In a canonical text of a message its content comes first.
  const begin = /^\{"content":"(.*)/su.exec(row.said ?? '')?.[1] ?? '';
  const words = begin.replace(/","role":.*$/su, '').match(WORDS) ?? [];
  return `words ${words.slice(0, 2).join(' ').toLowerCase()}`;
}

interface Doubt {
  /** A user says otherwise than a judge, in words (1) or by what was done next (as sure as that is). */
  readonly against: number;
  readonly disputed: boolean;
  /** From 0 to 1. */
  readonly unsure: number;
}

interface Said {
  readonly id: string;
  readonly judge: string;
  readonly good: 0 | 1 | null;
  readonly score: number | null;
  readonly confidence: number | null;
}

/** Rules that call nearly everything good, of which nobody learns what is in doubt. */
const SAYS_LITTLE: ReadonlySet<string> = new Set(['well_formed', 'follows_observation']);

function doubtsOf(db: Db, ids: readonly string[]): ReadonlyMap<string, Doubt> {
  const newest = new Map<string, Map<string, Said>>(ids.map((id) => [id, new Map<string, Said>()]));
  for (let from = 0; from < ids.length; from += 500)
    for (const said of prepared<[string], Said>(
      db,
      `SELECT v.subject_id AS id, v.judge, v.good, v.score, v.confidence FROM json_each(?) e CROSS JOIN verdicts v
        ON v.subject_kind = 'step' AND v.subject_id = e.value ORDER BY v.created_at, v.id`,
    ).all(JSON.stringify(ids.slice(from, from + 500))))
      newest.get(said.id)?.set(said.judge, said);
  return new Map([...newest].map(([id, words]) => [id, doubtOf([...words.values()])]));
}

function doubtOf(words: readonly Said[]): Doubt {
  const told = words.filter(({ judge, good }) => good !== null && judge !== 'person');
  const judges = told.filter(({ judge }) => judge !== 'feedback' && judge !== 'signals');
  const user = told.find(({ judge }) => judge === 'feedback');
  const signals = told.find(({ judge }) => judge === 'signals');
  const isDenied = (word: Said | undefined): boolean =>
    word !== undefined && judges.some(({ good }) => good !== word.good);
  const knowing = judges.filter(({ judge }) => !SAYS_LITTLE.has(judge));
  const surest = Math.max(0, ...knowing.map(({ score, confidence }) => confidence ?? Math.abs(2 * (score ?? 0.5) - 1)));
  return {
    against: isDenied(user) ? 1 : isDenied(signals) ? (signals?.confidence ?? 0) : 0,
    disputed: new Set(judges.filter(({ judge }) => judge !== 'well_formed').map(({ good }) => good)).size > 1,
    unsure: knowing.length === 0 ? UNTOLD : 1 - surest,
  };
}

/** Fisher and Yates. */
function shuffled(list: string[], random: () => number): readonly string[] {
  for (let at = list.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    [list[at], list[other]] = [list[other] as string, list[at] as string];
  }
  return list;
}
