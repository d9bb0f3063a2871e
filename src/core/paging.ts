/** Lists as the API gives them: newest first, a page at a time, each begun behind the id that ended the one before. */
import { badRequest, quoted } from './errors.js';
import { nearest } from './text/nearest.js';

export const MAX_PAGE = 200;
export const DEFAULT_PAGE = 20;

export interface Page {
  readonly limit: number;
  /** An id of the list; the page begins behind it. */
  readonly after?: string | undefined;
}

export interface Listing<T> {
  readonly data: readonly T[];
  readonly has_more: boolean;
}

const PAGE = ['limit', 'after'];

/**
 * The page a request asks for by its query. Throws 400 on `limit`, on `after` when that is not `listed`, and on a name
 * that is none of `others` either.
 */
export function pageOf(
  query: Readonly<Record<string, string | undefined>>,
  listed: (id: string) => boolean,
  others: readonly string[] = [],
): Page {
  const { limit, after } = query;
  refuseUnknown(Object.keys(query), [...PAGE, ...others]);
  // Digits alone: what else Number reads ("1e2", "0x10", " 5") is no whole number to a client's eye.
  const size = limit === undefined ? DEFAULT_PAGE : /^[1-9]\d{0,2}$/.test(limit) ? Number(limit) : Number.NaN;
  if (!(size <= MAX_PAGE))
    throw badRequest(`"limit" must be a whole number from 1 to ${MAX_PAGE}, not ${quoted(limit)}.`, 'limit');
  if (after !== undefined && !listed(after))
    throw badRequest(`"after" must be an id of this list, not ${quoted(after)}.`, 'after');
  return { limit: size, after };
}

/** About so many bytes of JSON a page holds; then it ends, with one item at least. */
const PAGE_BYTES = 8 * 1024 * 1024;

/**
 * The page out of its rows, each looked at only as long as the page has room. One row more than the page holds says
 * that there are more.
 */
export function listingOf<Row, T>(
  rows: readonly Row[],
  { limit }: Page,
  view: (row: Row) => T,
  mostBytes = PAGE_BYTES,
): Listing<T> {
  const data: T[] = [];
  let bytes = 0;
  for (const row of rows.slice(0, limit)) {
    if (bytes >= mostBytes) break;
    const item = view(row);
    data.push(item);
    bytes += roughBytes(item);
  }
  return { data, has_more: rows.length > data.length };
}

/** About how long a value is as JSON. */
function roughBytes(value: unknown): number {
  if (typeof value === 'string') return value.length + 2;
  if (typeof value !== 'object' || value === null) return 8;
  if (!Array.isArray(value))
    return Object.entries(value).reduce((sum, [name, field]) => sum + name.length + 4 + roughBytes(field), 2);
  // Token ids and log-probabilities: their first items stand for all.
  if (typeof value[0] === 'number') {
    const some = value.slice(0, 32);
    return 2 + (JSON.stringify(some).length / some.length) * value.length;
  }
  return value.reduce((sum: number, item) => sum + 1 + roughBytes(item), 2);
}

/**
 * Throws a 400 for a name that is not known. In a list it would be taken for a filter that everything passes, or for a
 * page that it does not begin.
 */
export function refuseUnknown(names: readonly string[], known: readonly string[]): void {
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const meant = `${quoted(unknown)} is no parameter here; ${quoted(nearest(unknown, known))} may be meant.`;
  throw badRequest(`${meant} There are ${known.join(', ')}.`, unknown, 'unknown_parameter');
}
