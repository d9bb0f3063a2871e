/** Rows about what is not there: deleting takes them along, so what they are about was lost. */
import type Database from 'better-sqlite3';

interface Orphans {
  readonly table: string;
  readonly problem: string;
  /** The ids of such rows after one, in their order. */
  readonly sql: string;
}

const missing = (table: string, row: string): string => `NOT EXISTS (SELECT 1 FROM ${table} x WHERE x.id = ${row})`;

const orphans = (table: string, where: string, problem: string): Orphans => ({
  table,
  problem,
  sql: `SELECT o.id FROM ${table} o WHERE o.id > ? AND ${where} ORDER BY o.id LIMIT 500`,
});

const SUBJECTS = [
  ['step', 'steps'],
  ['response', 'responses'],
  ['trajectory', 'trajectories'],
  ['sample', 'samples'],
] as const;

const ORPHANS: readonly Orphans[] = [
  orphans('feedback', missing('responses', 'o.response_id'), 'the response it is about is missing'),
  orphans('labels', missing('steps', 'o.step_id'), 'the step it is about is missing'),
  orphans(
    'labels',
    `o.withdraws IS NOT NULL AND ${missing('labels', 'o.withdraws')}`,
    'the label that it takes back is missing',
  ),
  orphans('samples', missing('steps', 'o.step_id'), 'the step it was drawn at is missing'),
  orphans(
    'samples',
    `o.prompt_of IS NOT NULL AND ${missing('steps', 'o.prompt_of')} AND ${missing('samples', 'o.prompt_of')}`,
    'the prompt it was drawn with is missing',
  ),
  ...SUBJECTS.map(([kind, table]) =>
    orphans(
      'verdicts',
      `o.subject_kind = '${kind}' AND ${missing(table, 'o.subject_id')}`,
      `the ${kind} it judges is missing`,
    ),
  ),
];

/** Rows that are named by their subject. */
const aboutSubject = (table: string, problem: (kind: string) => string): readonly Orphans[] =>
  SUBJECTS.map(([kind, subjects]) => ({
    table,
    problem: problem(kind),
    sql: `SELECT DISTINCT o.subject_id AS id FROM ${table} o WHERE o.subject_kind = '${kind}' AND o.subject_id > ?
      AND ${missing(subjects, 'o.subject_id')} ORDER BY o.subject_id LIMIT 500`,
  }));

/** Rows that are named by what a column of theirs refers to. */
const referring = (table: string, column: string, to: string, problem: string): Orphans => ({
  table,
  problem,
  sql: `SELECT DISTINCT o.${column} AS id FROM ${table} o WHERE o.${column} > ?
    AND ${missing(to, `o.${column}`)} ORDER BY o.${column} LIMIT 500`,
});

const MORE: readonly Orphans[] = [
  ...aboutSubject('decided', (kind) => `the ${kind} it is about is missing`),
  ...aboutSubject('judge_attempts', (kind) => `the ${kind} a judge is to be asked of again is missing`),
  referring('late_steps', 'step_id', 'steps', 'the step that is to be judged later is missing'),
  referring('demonstrations', 'step_id', 'steps', 'the step it is to be said in is missing'),
  referring('cycle_steps', 'step_id', 'steps', 'the step it claims is missing'),
  referring('groups', 'step_id', 'steps', 'the step it was drawn at is missing'),
  referring('evaluation_answers', 'trajectory_id', 'trajectories', 'the trajectory that answered is missing'),
  referring('live_comparisons', 'trajectory_id', 'trajectories', 'the trajectory that was asked is missing'),
  referring('canary_outcomes', 'trajectory_id', 'trajectories', 'the trajectory that was read is missing'),
  {
    table: 'candidates',
    problem: 'the step that it counts is missing',
    sql: `SELECT CAST(o.seq AS TEXT) AS id FROM candidates o WHERE CAST(o.seq AS TEXT) > ?
      AND NOT EXISTS (SELECT 1 FROM steps x WHERE x.seq = o.seq) ORDER BY 1 LIMIT 500`,
  },
  orphans(
    'batches',
    `EXISTS (SELECT 1 FROM batch_items i WHERE i.batch_id = o.id AND ${missing('steps', 'i.step_id')})
      AND json_array_length(o.body, '$.actions') > 0`,
    'it still spells a step that is missing',
  ),
];

export function* orphansIn(
  sqlite: Database.Database,
): Generator<{ readonly table: string; readonly id: string; readonly problem: string }> {
  for (const { table, problem, sql } of [...ORPHANS, ...MORE]) {
    const page = sqlite.prepare<[string], { id: string }>(sql);
    for (let rows = page.all(''); rows.length > 0; rows = page.all(rows.at(-1)?.id ?? ''))
      for (const { id } of rows) yield { table, id, problem };
  }
}
