/** Rows of a published file: JSON lines, a JSON list, or a JSON object with a list in `data`. */
import type { z } from 'zod';

import { faultOf } from '../../core/check.js';
import { operatorError, reasonOf } from '../../core/errors.js';
import { parseJson } from '../../core/text/json.js';

export interface Row {
  readonly raw: unknown;
  /** `line 3`, or `entry 3` of a list. */
  readonly place: string;
}

export function rowsOf(text: string, file: string): readonly Row[] {
  const whole = text.replace(/^\uFEFF/, '');
  const listed = asList(whole);
  if (listed !== undefined) return listed.map((raw, at) => ({ raw, place: `${file} entry ${at + 1}` }));
  return whole.split(/\r?\n/).flatMap((line, at): Row[] => {
    if (line.trim() === '') return [];
    const place = `${file} line ${at + 1}`;
    try {
      return [{ raw: parseJson(line), place }];
    } catch (cause) {
      throw operatorError(`${place}: not JSON (${reasonOf(cause)})`, cause);
    }
  });
}

function asList(text: string): readonly unknown[] | undefined {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    return undefined;
  }
  if (Array.isArray(value)) return value as readonly unknown[];
  const data = typeof value === 'object' && value !== null && 'data' in value ? value.data : undefined;
  return Array.isArray(data) ? (data as readonly unknown[]) : undefined;
}

/** The row as `schema` has it; throws an operator error that names the place and the field. */
export function checked<T>(schema: z.ZodType<T>, { raw, place }: Row): T {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const { path, says } = faultOf(parsed.error, raw);
  throw operatorError(`${place}, field "${path.map(String).join('.') || 'the row'}": ${says}`);
}
