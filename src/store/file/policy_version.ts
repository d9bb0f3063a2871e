/** The column `policy_version`, which may not be null although a step of an upstream has no version. */

/** What the column holds where an upstream sampled. Versions of the policy count from 0. */
export const UPSTREAM_STEP = -1;

export function versionColumn(version: number | undefined): number {
  return version ?? UPSTREAM_STEP;
}

export function versionOfColumn(column: number): number | undefined {
  return column === UPSTREAM_STEP ? undefined : column;
}
