/** What reading back asks for most, built once for each connection: building a query takes longer than answering it. */
import { and, eq, sql } from 'drizzle-orm';

import type { Db } from '../file/db.js';
import { feedback, responses, steps, toolSets, trajectories, verdicts } from '../file/schema.js';

const id = sql.placeholder('id');

function build(db: Db) {
  return {
    trajectory: db.select().from(trajectories).where(eq(trajectories.id, id)).prepare(),
    /** In their order. */
    stepsOfTrajectory: db.select().from(steps).where(eq(steps.trajectoryId, id)).orderBy(steps.idx).prepare(),
    response: db.select().from(responses).where(eq(responses.id, id)).prepare(),
    tools: db.select({ body: toolSets.body }).from(toolSets).where(eq(toolSets.hash, id)).prepare(),
    /** Oldest first, as feedback; `id` is a JSON list of ids. */
    verdictsOfSteps: db
      .select()
      .from(verdicts)
      .where(and(eq(verdicts.subjectKind, 'step'), sql`${verdicts.subjectId} IN (SELECT value FROM json_each(${id}))`))
      .orderBy(verdicts.createdAt, verdicts.id)
      .prepare(),
    feedbackOfTrajectory: db
      .select()
      .from(feedback)
      .where(eq(feedback.trajectoryId, id))
      .orderBy(feedback.createdAt, feedback.id)
      .prepare(),
  };
}

const built = new WeakMap<Db, ReturnType<typeof build>>();

export function queriesOf(db: Db): ReturnType<typeof build> {
  let known = built.get(db);
  if (known === undefined) built.set(db, (known = build(db)));
  return known;
}
