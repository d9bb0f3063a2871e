/**
 * Lists of trajectories, a page at a time. Finding a page takes a bounded time and showing it a bounded size, whatever
 * the filter and however long the log: a page that ends there says so, and where the next one begins.
 */
import type { Page } from '../../core/paging.js';
import type { TrajectoryListing, TrajectorySummary, TrajectoryView } from '../../core/reading.js';
import { type Shown, type TrajectoryFilter, WHOLE } from '../../core/reading/filters.js';
import { writeJson } from '../../core/text/json.js';
import type { Db } from '../file/db.js';
import { matching } from './matching.js';
import { queriesOf } from './queries.js';
import { summaryOf } from './summary.js';
import { viewOf } from './trajectories.js';

/** What a list is of, and what it shows. */
export interface Asked {
  /** Only this key's; undefined means everyone's. */
  readonly keyId?: string | undefined;
  readonly filter?: TrajectoryFilter | undefined;
  readonly shown?: Shown | undefined;
}

/** How much a page may take. It looks at one trajectory at least, whatever that takes. */
export interface PageBounds {
  /** Rows to read: so many take 50 ms where they are in memory. */
  readonly rows: number;
  /** Milliseconds, where they are not. */
  readonly ms: number;
  /** Characters of its JSON. */
  readonly chars: number;
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
  { rows, ms, chars }: PageBounds = BOUNDS,
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
    const view = passes ? showTrajectory(db, id, shown) : undefined;
    if (view !== undefined) {
      data.push(view);
      if ('counts' in view) work.rows += view.counts.steps + view.counts.messages;
      else {
        const { length } = writeJson(view);
        size += length;
        work.rows += STEP_ROWS * view.steps.length + view.messages.length + length / ROW_CHARS;
      }
    }
    looked = id;
  }
  return { data, has_more: false };
}

/**
 * As it stands at one moment: it may be gone on with or deleted while it is read. Undefined when there is none, or none
 * of this key's.
 */
export function showTrajectory(
  db: Db,
  id: string,
  shown: Shown,
  keyId?: string,
): TrajectoryView | TrajectorySummary | undefined {
  return db.$client.transaction(() => {
    const row = queriesOf(db).trajectory.get({ id });
    if (row === undefined || (keyId !== undefined && row.keyId !== keyId)) return undefined;
    return shown.view === 'summary' ? summaryOf(db, row) : viewOf(db, row, { view: shown.view, tokens: shown.tokens });
  })();
}
