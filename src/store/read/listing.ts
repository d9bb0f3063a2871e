/**
 * Lists of trajectories, a page at a time. Finding a page takes a bounded time and showing it a bounded size, whatever
 * the filter and however long the log: a page that ends there says so, and where the next one begins.
 */
import type { Page } from '../../core/paging.js';
import type { TrajectoryListing, TrajectorySummary, TrajectoryView } from '../../core/reading.js';
import { type Shown, type TrajectoryFilter, WHOLE } from '../../core/reading/filters.js';
import type { Db } from '../file/db.js';
import { matching } from './matching.js';
import { listedTrajectory } from './showing.js';

/** What a list is of, and what it shows. */
export interface Asked {
  /** Only this key's; undefined means everyone's. */
  readonly keyId?: string | undefined;
  readonly filter?: TrajectoryFilter | undefined;
  readonly shown?: Shown | undefined;
}

/** How much a page may take. It looks at one trajectory at least. */
export interface PageBounds {
  /** Rows to read: so many take 50 ms where they are in memory. */
  readonly rows: number;
  /** Milliseconds, where they are not. */
  readonly ms: number;
  /** Characters of its JSON, before its last trajectory. */
  readonly chars: number;
  /** Of one trajectory; a larger one is told in a few lines. */
  readonly one?: number | undefined;
}

const BOUNDS: PageBounds = { rows: 5_000, ms: 500, chars: 4 * 1024 * 1024 };
/** As many rows are read in the time that a step takes to be shown whole. */
const STEP_ROWS = 20;
/** As many characters are written in the time of a row. */
const ROW_CHARS = 1_000;

/** Newest first: ids of trajectories sort by time. */
export function listTrajectories(
  db: Db,
  page: Page,
  { keyId, filter = {}, shown = WHOLE }: Asked = {},
  { rows, ms, chars, one }: PageBounds = BOUNDS,
): TrajectoryListing {
  const until = performance.now() + ms;
  const work = { rows: 0 };
  const data: (TrajectoryView | TrajectorySummary)[] = [];
  let size = 0;
  let looked: string | undefined;
  for (const { id, passes } of matching(db, { keyId, filter, after: page.after }, work)) {
    // What passes and has no place any more is what the next page begins with.
    if (passes && data.length === page.limit) return { data, has_more: true, next_after: looked };
    if (looked !== undefined && (size >= chars || work.rows >= rows || performance.now() >= until))
      return { data, has_more: true, next_after: looked, ...(data.length < page.limit ? { partial: true } : {}) };
    const found = passes ? listedTrajectory(db, id, shown, one) : undefined;
    if (found !== undefined) {
      const { view, chars: length } = found;
      data.push(view);
      if ('counts' in view) work.rows += view.counts.steps + view.counts.messages;
      else {
        size += length;
        work.rows += STEP_ROWS * view.steps.length + view.messages.length + length / ROW_CHARS;
      }
    }
    looked = id;
  }
  return { data, has_more: false };
}
