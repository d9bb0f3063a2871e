/** Versions and cycles as their lists show them. */
import type { Cycle } from '../../core/learning/cycle.js';
import { isVersionNumber, type Version } from '../../core/learning/version.js';
import {
  cycleView,
  type CycleView,
  type EvaluationReportView,
  type ListedVersion,
  listedVersion,
  reportView,
} from '../../core/learning/views.js';
import { type Listing, listingOf, type Page, pageOf } from '../../core/paging.js';
import type { Query } from '../../core/reading.js';
import type { Db } from '../file/db.js';
import { cycleById, cyclesOf } from '../learning/cycles.js';
import { reportsOf } from '../learning/evaluations.js';
import { decisionsAbout, headVersion, servingVersion } from '../learning/decisions.js';
import { hasVersion, versionsOf } from '../learning/versions.js';
import { weightsRemoved } from '../learning/weights.js';
import { seenBy } from './status_facts.js';

/**
 * Each with the decisions made about it. The id of a version is its number. A key sees the versions that learned from
 * what it asked, without the numbers of what all asked.
 */
export function versionList(db: Db, policy: string, query: Query, keyId: string | undefined): Listing<ListedVersion> {
  return versionPage(
    db,
    policy,
    pageOf(query, (id) => isVersionNumber(id) && hasVersion(db, policy, Number(id))),
    keyId,
  );
}

/** The same for a page that is known to be one. */
export function versionPage(db: Db, policy: string, page: Page, keyId: string | undefined): Listing<ListedVersion> {
  const rows = versionsOf(db, policy, page.limit + 1, page.after === undefined ? undefined : Number(page.after), keyId);
  const [serving, head] = [servingVersion(db, policy), headVersion(db, policy)];
  const removed = weightsRemoved(db, policy);
  const removedAt = ({ version }: Version): number | undefined => removed.get(version)?.createdAt;
  if (keyId !== undefined)
    return listingOf(rows, page, (row) => listedVersion({ ...row, metrics: {} }, serving, head, [], removedAt(row)));
  const decisions = decisionsAbout(
    db,
    policy,
    rows.map((row) => row.version),
  );
  return listingOf(rows, page, (row) =>
    listedVersion(
      row,
      serving,
      head,
      decisions.filter((decision) => decision.version === row.version),
      removedAt(row),
    ),
  );
}

/** `keyId`: only those that took up a step of this key, as it may see them. */
export function cycleList(db: Db, policy: string, query: Query, keyId: string | undefined): Listing<CycleView> {
  const page = pageOf(query, (id) => cycleById(db, policy, id, keyId) !== undefined);
  return listingOf(cyclesOf(db, policy, page.limit + 1, page.after, keyId), page, (cycle) =>
    shown(db, policy, cycle, keyId),
  );
}

export function cycleShown(db: Db, policy: string, id: string, keyId: string | undefined): CycleView | undefined {
  const cycle = cycleById(db, policy, id, keyId);
  return cycle === undefined ? undefined : shown(db, policy, cycle, keyId);
}

/** What versions did on sets of tasks. */
export function evaluationList(db: Db, policy: string, query: Query): Listing<EvaluationReportView> {
  const page = pageOf(query, (id) => reportsOf(db, policy, { limit: 1, id }).length > 0);
  return listingOf(reportsOf(db, policy, { ...page, limit: page.limit + 1 }), page, reportView);
}

function shown(db: Db, policy: string, cycle: Cycle, keyId: string | undefined): CycleView {
  return cycleView(keyId === undefined ? cycle : seenBy(db, policy, cycle, keyId));
}
