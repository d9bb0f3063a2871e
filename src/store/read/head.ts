/** What all views of a trajectory begin with. */
import type { TrajectorySummary } from '../../core/reading.js';
import { seconds } from '../../core/seconds.js';
import { versionOfColumn } from '../file/policy_version.js';
import type { responses, steps, trajectories } from '../file/schema.js';

export type StoredTrajectory = typeof trajectories.$inferSelect;

type Head = Pick<
  TrajectorySummary,
  | 'id'
  | 'response_id'
  | 'model'
  | 'policy_version'
  | 'outcome'
  | 'stop_reason'
  | 'origin'
  | 'task'
  | 'consent'
  | 'key'
  | 'created_at'
>;

export function headOf(
  row: StoredTrajectory,
  newest: Pick<typeof steps.$inferSelect, 'responseId' | 'policyVersion'> | undefined,
  ended: (Pick<typeof responses.$inferSelect, 'stopReason'> & { readonly outcome: Head['outcome'] }) | undefined,
  allConsent: boolean,
): Head {
  return {
    id: row.id,
    response_id: newest?.responseId ?? null,
    model: row.model,
    policy_version: newest === undefined ? null : (versionOfColumn(newest.policyVersion) ?? null),
    outcome: ended?.outcome ?? null,
    stop_reason: ended?.stopReason ?? null,
    origin: row.origin,
    task: row.taskId,
    consent: row.consent && allConsent,
    key: row.keyId === '' ? null : row.keyId,
    created_at: seconds(row.createdAt),
  };
}
