/**
 * Prompt ids as deltas. Step n+1's prompt is nearly always step n's prompt, its action and a little more:
 * only the little more is stored. The base is a step of the same trajectory, so a trajectory can be
 * deleted whole.
 */
import { prepared, type Db } from './db.js';
import { joined, sharedPrefix, typedIds, viewU32 } from './tokens.js';

/** A step's prompt and then its action. */
export interface Context {
  readonly stepId: string;
  readonly ids: Uint32Array;
  readonly promptLength: number;
}

export interface Delta {
  readonly promptBase: string | null;
  readonly promptShared: number;
  readonly promptSuffix: Uint32Array;
}

export function deltaOf(base: Context | undefined, prompt: Uint32Array): Delta {
  if (base === undefined) return { promptBase: null, promptShared: 0, promptSuffix: prompt };
  const promptShared = sharedPrefix(base.ids, prompt);
  return { promptBase: base.stepId, promptShared, promptSuffix: prompt.subarray(promptShared) };
}

export function contextOf(stepId: string, prompt: readonly number[], action: readonly number[]): Context {
  return { stepId, ids: joined(typedIds(prompt), typedIds(action)), promptLength: prompt.length };
}

interface Row {
  readonly id: string;
  readonly base: string | null;
  readonly shared: number;
  readonly suffix: Buffer | null;
  readonly action: Buffer | null;
}

const EMPTY = new Uint32Array();

/**
 * The context of a step, built forward from its first base, or from `near` where the bases meet it.
 * Undefined when the step or one of its bases reported no prompt ids.
 */
export function readContext(db: Db, stepId: string, near?: Context): Context | undefined {
  const one = prepared<[string], Row>(db, 'SELECT id, prompt_base AS base, prompt_shared AS shared, prompt_suffix AS suffix, token_ids AS action FROM steps WHERE id = ?');
  const rows: (Row & { readonly suffix: Buffer })[] = [];
  for (let id: string | null = stepId; id !== null && id !== near?.stepId; ) {
    const row = one.get(id);
    if (row === undefined || row.suffix === null) return undefined;
    rows.push({ ...row, suffix: row.suffix });
    id = row.base;
  }
  let context = rows.at(-1)?.base === null ? undefined : near;
  for (const row of rows.reverse()) {
    const prompt = joined((context?.ids ?? EMPTY).subarray(0, row.shared), viewU32(row.suffix));
    context = { stepId: row.id, ids: row.action === null ? prompt : joined(prompt, viewU32(row.action)), promptLength: prompt.length };
  }
  return context;
}

/** Contexts of the newest steps by trajectory, at most `maxIds` token ids in all; the longest unused go first. */
export class Contexts {
  readonly #kept = new Map<string, Context>();
  readonly #maxIds: number;
  #size = 0;

  constructor(maxIds: number) {
    this.#maxIds = maxIds;
  }

  get(trajectoryId: string): Context | undefined {
    return this.#kept.get(trajectoryId);
  }

  set(trajectoryId: string, context: Context): void {
    this.#size += context.ids.length - (this.#kept.get(trajectoryId)?.ids.length ?? 0);
    this.#kept.delete(trajectoryId);
    this.#kept.set(trajectoryId, context);
    for (const [oldest, { ids }] of this.#kept) {
      if (this.#size <= this.#maxIds) break;
      this.#kept.delete(oldest);
      this.#size -= ids.length;
    }
  }

  clear(): void {
    this.#kept.clear();
    this.#size = 0;
  }
}
