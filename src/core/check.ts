/** What is wrong with a value that failed the check of its schema, in a sentence a client or operator is shown. */
import { isLarge } from './text/json_pieces.js';
import { writeJson } from './text/json.js';
import type { z } from 'zod';

export interface Fault {
  /** Where in the value: of an unknown field its own name. */
  readonly path: readonly PropertyKey[];
  readonly code: string | undefined;
  /** What is wrong and, but for an unknown field, what stands there. */
  readonly says: string;
}

/** The one fault to tell. `value` is what was checked. */
export function faultOf(error: z.ZodError, value: unknown): Fault {
  const issue = furthest(error.issues[0]);
  if (issue === undefined) return { path: [], code: undefined, says: error.message };
  if (issue.code === 'unrecognized_keys')
    return { path: [...issue.path, ...issue.keys.slice(0, 1)], code: issue.code, says: issue.message };
  return {
    path: issue.path,
    code: issue.code,
    says: `${issue.message} (it is ${excerpt(valueAt(value, issue.path))})`,
  };
}

/** What stands at a path; undefined where it leads nowhere. */
export function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[key], value);
}

/**
 * Of a union of which no option matched: the issue of the option whose fault lies deepest, as it was likely meant, and
 * of options that are as deep one whose type is right.
 */
export function furthest(issue: z.core.$ZodIssue | undefined): z.core.$ZodIssue | undefined {
  if (issue?.code !== 'invalid_union' || issue.errors.length === 0) return issue;
  const candidates = issue.errors.map((list) => furthest(list[0])).filter((inner) => inner !== undefined);
  const best = candidates.reduce<z.core.$ZodIssue | undefined>(
    (far, inner) => (far === undefined || isBetter(inner, far) ? inner : far),
    undefined,
  );
  return best === undefined ? issue : { ...best, path: [...issue.path, ...best.path] };
}

function isBetter(inner: z.core.$ZodIssue, far: z.core.$ZodIssue): boolean {
  if (inner.path.length !== far.path.length) return inner.path.length > far.path.length;
  const [at, before] = [inner.path.at(-1), far.path.at(-1)];
  if ((at === 'type') !== (before === 'type')) return before === 'type';
  return far.code === 'invalid_type' && inner.code === 'too_big';
}

/** What has more is not put into JSON for its first few characters. */
const LARGE_CHARS = 16_384;

function largeness(value: unknown): string {
  if (typeof value === 'string') return `${writeJson(value.slice(0, 60))}... of ${value.length} characters`;
  if (Array.isArray(value)) return `a list of ${value.length} entries`;
  return `an object of ${Object.keys(value as object).length} fields`;
}

/** A value as JSON, cut at 80 characters. */
export function excerpt(value: unknown): string {
  if (isLarge(value, LARGE_CHARS)) return largeness(value);
  const text = value === undefined ? 'missing' : ((writeJson(value) as string | undefined) ?? typeof value);
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
