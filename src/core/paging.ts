/** Lists as the API gives them: newest first, a page at a time, each begun behind the id that ended the one before. */
import { badRequest, quoted } from './errors.js';

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

/** The page a request asks for. Throws 400 on `limit`, and on `after` when that is not `listed`. */
export function pageOf(
  { limit, after }: { readonly limit?: string | undefined; readonly after?: string | undefined },
  listed: (id: string) => boolean,
): Page {
  // Digits alone: what else Number reads ("1e2", "0x10", " 5") is no whole number to a client's eye.
  const size = limit === undefined ? DEFAULT_PAGE : /^[1-9]\d{0,2}$/.test(limit) ? Number(limit) : Number.NaN;
  if (!(size <= MAX_PAGE))
    throw badRequest(`"limit" must be a whole number from 1 to ${MAX_PAGE}, not ${quoted(limit)}.`, 'limit');
  if (after !== undefined && !listed(after))
    throw badRequest(`"after" must be an id of this list, not ${quoted(after)}.`, 'after');
  return { limit: size, after };
}

/** The page out of its rows. One row more than the page holds says that there are more. */
export function listingOf<Row, T>(rows: readonly Row[], { limit }: Page, view: (row: Row) => T): Listing<T> {
  return { data: rows.slice(0, limit).map((row) => view(row)), has_more: rows.length > limit };
}
