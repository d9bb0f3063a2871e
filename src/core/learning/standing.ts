/** What earlier decisions mean for the next one: which candidate it is, and whether a pass still stands. Pure. */
import type { Decision } from './version.js';

/**
 * Which candidate `version` is since the last promotion, from 1. Each gate decision since then has spent its part, also
 * one about this very version; and so has each other version of `open`, those that were asked held-out tasks since then
 * without a decision: a test that is given up when it goes badly must not come free. A rollback begins nothing anew.
 */
export function candidateNumber(
  decisions: readonly Decision[],
  { version, open }: { readonly version: number; readonly open: readonly number[] },
): number {
  const promoted = decisions.findIndex(({ kind, passed }) => kind === 'promotion' && passed);
  const all = promoted === -1 ? decisions : decisions.slice(0, promoted);
  const gated = new Set(all.filter(({ kind }) => kind === 'gate').map((decision) => decision.version));
  // A canary that follows a pass of the gate spends nothing: it can only withdraw.
  const since = all.filter(({ kind, version: of }) => kind === 'gate' || (kind === 'canary' && !gated.has(of)));
  const decided = new Set(since.map((decision) => decision.version));
  const others = new Set(open.filter((each) => each !== version && !decided.has(each)));
  return 1 + since.length + others.size;
}

/**
 * The decision by which `version` may serve in place of `serving`; a sentence where there is none. A pass says that it
 * was better than what served then, and nothing of what serves now.
 */
export function standingPass(decisions: readonly Decision[], version: number, serving: number): Decision | string {
  const passes = decisions.filter(({ kind, passed, ...of }) => kind === 'gate' && passed && of.version === version);
  const standing = passes.find(({ against }) => against === serving);
  const withdrawn = decisions.find(
    ({ kind, passed, against, ...of }) => kind === 'canary' && !passed && of.version === version && against === serving,
  );
  if (withdrawn !== undefined) return `version ${version} passed the gate, and then its ${withdrawn.reason}`;
  if (standing !== undefined) return standing;
  const [last] = passes;
  return last === undefined
    ? `version ${version} has not passed the gate`
    : `version ${version} was shown to be better than version ${last.against ?? 0}, and version ${serving} serves now`;
}
