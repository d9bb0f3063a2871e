/** A response read back whole: what its protocol needs to tell it again as it was answered. */
import { eq } from 'drizzle-orm';

import type { LoggedResponse, LoggedTurn } from '../../core/reading.js';
import { parseJson } from '../../core/text/json.js';
import type { Sampling, Usage } from '../../core/policy.js';
import type { ServerToolUse } from '../../core/trajectory.js';
import { messageOf, readChain } from '../log/chain.js';
import type { Db } from '../file/db.js';
import { trajectories } from '../file/schema.js';
import { askedOf, responseOf, rowOf } from './conversation.js';
import { actionOf } from './state.js';
import { callsOf, stepsOf } from './trajectories.js';

/** Undefined when this key has no such response (any more), or asked for it not to be stored. */
export function loggedResponse(db: Db, keyId: string, responseId: string): LoggedResponse | undefined {
  const response = responseOf(db, keyId, responseId);
  if (response === undefined) return undefined;
  const all = stepsOf(db, response.trajectoryId);
  const own = all.flatMap((step, at) => (step.responseId === responseId ? [{ step, next: all[at + 1] }] : []));
  const last = own.at(-1)?.step;
  const trajectory = db.select().from(trajectories).where(eq(trajectories.id, response.trajectoryId)).get();
  // Earlier builds did not log whether it was to be stored: where they had no consent, nobody can tell.
  if (response.asked === null && last?.consent === false) return undefined;
  const said = last === undefined ? undefined : readChain(db, last.clientAt);
  if (said === undefined || trajectory === undefined) return undefined;
  const row = rowOf(db, response);
  const answer = row === undefined ? undefined : messageOf(row.body);
  return {
    id: responseId,
    model: trajectory.model,
    asked: askedOf(response),
    sampling: last === undefined ? {} : (JSON.parse(last.sampling) as Sampling),
    createdAt: response.createdAt,
    ms: response.ms,
    ending: {
      outcome: response.outcome,
      stopReason: response.stopReason as LoggedResponse['ending']['stopReason'],
      usage: JSON.parse(response.usage) as Usage,
      toolUse: JSON.parse(response.toolUse) as ServerToolUse,
    },
    said: said.map(({ body }) => messageOf(body)),
    answer: answer?.role === 'assistant' ? answer : undefined,
    turns: own.map(({ step, next }) => {
      const { text, calls } = actionOf(db, step);
      return {
        reasoning: step.reasoning ?? undefined,
        text,
        told: step.told === null ? undefined : (parseJson(step.told) as LoggedTurn['told']),
        calls: callsOf(db, step, next, calls).map(({ observation, ...call }) => ({
          ...call,
          error: call.error,
          observation: observation ?? undefined,
        })),
      };
    }),
  };
}
