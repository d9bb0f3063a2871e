/** Where a trainer is that runs already, and the token by which it knows us. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Config } from '../core/config.js';
import type { Env } from './lines/fields.js';

export interface TrainerAddress {
  readonly url: string;
  readonly token?: string | undefined;
}

/** The variable in which a trainer is told its token. */
export const TRAINER_TOKEN = 'GYRE_TRAINER_TOKEN';

/**
 * The trainer of `trainer.url`. Its token is the one that is known, or in the environment, or what a trainer that was
 * started by hand left in the same data folder.
 */
export function trainerGiven(config: Config, env: Env, known?: string): TrainerAddress | undefined {
  const url = config['trainer.url'];
  if (url === undefined) return undefined;
  const said = env[TRAINER_TOKEN]?.trim() ?? '';
  return { url, token: known ?? (said === '' ? left(config.data) : said) };
}

/** The trainer of a gateway that serves a data folder. */
export function trainerOf(
  gateway: { readonly trainer?: string | undefined; readonly trainerToken?: string | undefined } | undefined,
): TrainerAddress | undefined {
  return gateway?.trainer === undefined ? undefined : { url: gateway.trainer, token: gateway.trainerToken };
}

function left(dataDir: string): string | undefined {
  try {
    return readFileSync(join(dataDir, 'run', 'trainer_token'), 'utf8').trim() || undefined;
  } catch {
    return undefined; // none was left
  }
}
