/** What an operator decides of the serving version: promotion by hand, and the way back. */
import type { LearningStore } from '../core/ports.js';
import type { Decision, Version } from '../core/learning/version.js';
import type { Trainer } from '../train/client.js';

/** Where it is decided: the rows, and who follows them. */
export interface Steering {
  readonly rows: Pick<LearningStore, 'decisions' | 'versions'>;
  /** Resolves when serving follows the rows. */
  readonly decided: () => Promise<void>;
}

/** Only a version whose gate passed against what serves now. */
export async function promote({ rows, decided }: Steering, version: number): Promise<Decision> {
  const decision = await rows.decisions.promote(version);
  await decided();
  return decision;
}

/** Serves the weights of the version that served before, under a new number. */
export async function rollback({ rows, decided }: Steering, trainer: Trainer, reason: string): Promise<Version> {
  const way = await rows.versions.wayBack();
  await trainer.copyVersion(way.version, way.weights, true);
  const version = await rows.versions.wentBack(way, reason);
  await decided();
  return version;
}
