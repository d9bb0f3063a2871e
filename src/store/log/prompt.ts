/**
 * Prompt ids as deltas. Step n+1's prompt is nearly always step n's prompt, its action and a little more: only that
 * little more is stored. The base is a step of the same trajectory, so that a trajectory can be deleted whole.
 */
import { prepared, type Db } from '../file/db.js';
import { viewU32 } from '../file/tokens.js';

/** A step's prompt and its action: what the next prompt is likely to begin with. */
export interface Context {
  readonly stepId: string;
  readonly prompt: ArrayLike<number>;
  readonly action: ArrayLike<number>;
}

/** How many leading ids of `prompt` are the leading ids of the context. */
export function sharedWith({ prompt: before, action }: Context, prompt: ArrayLike<number>): number {
  let at = 0;
  while (at < before.length && at < prompt.length && before[at] === prompt[at]) at += 1;
  if (at < before.length) return at;
  while (at < prompt.length && at - before.length < action.length && action[at - before.length] === prompt[at]) at += 1;
  return at;
}

interface Row {
  readonly id: string;
  readonly base: string | null;
  readonly shared: number;
  readonly suffix: Buffer | null;
  readonly action: Buffer | null;
}

/**
 * The context of a step, built forward from its first base, or from `near` where that is one of its bases. Undefined
 * when the engine reported no prompt ids for the step or one of its bases.
 */
export function readContext(db: Db, stepId: string, near?: Context): Context | undefined {
  const one = prepared<[string], Row>(
    db,
    'SELECT id, prompt_base AS base, prompt_shared AS shared, prompt_suffix AS suffix, ' +
      'token_ids AS action FROM steps WHERE id = ?',
  );
  const rows: (Row & { readonly suffix: Buffer })[] = [];
  for (let id: string | null = stepId; id !== null && id !== near?.stepId;) {
    const row = one.get(id);
    if (row === undefined || row.suffix === null) return undefined;
    rows.push({ ...row, suffix: row.suffix });
    id = row.base;
  }
  let context = rows.at(-1)?.base === null ? undefined : near;
  for (const row of rows.reverse()) {
    const suffix = viewU32(row.suffix);
    const prompt = new Uint32Array(row.shared + suffix.length);
    for (let at = 0; context !== undefined && at < row.shared; at += 1) {
      prompt[at] = (at < context.prompt.length ? context.prompt[at] : context.action[at - context.prompt.length]) ?? 0;
    }
    prompt.set(suffix, row.shared);
    context = { stepId: row.id, prompt, action: row.action === null ? [] : viewU32(row.action) };
  }
  return context;
}

/** A cache of the newest step's context by trajectory, least recently used out first: at most `maxIds` token ids. */
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
    this.#size += sizeOf(context) - sizeOf(this.#kept.get(trajectoryId));
    this.#kept.delete(trajectoryId);
    this.#kept.set(trajectoryId, context);
    for (const [oldest, kept] of this.#kept) {
      if (this.#size <= this.#maxIds) break;
      this.#kept.delete(oldest);
      this.#size -= sizeOf(kept);
    }
  }

  clear(): void {
    this.#kept.clear();
    this.#size = 0;
  }
}

function sizeOf(context: Context | undefined): number {
  return context === undefined ? 0 : context.prompt.length + context.action.length;
}
