/** A suite of somebody else's, in a checkout of the user's: how it is recognised, and what one of its cases came to. */

export interface Case {
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'left out';
  /** Why it failed or was left out. */
  readonly reason?: string;
}

export interface Suite {
  /** As the report calls it. */
  readonly name: string;
  /** What a checkout of it has: told to whoever names another folder. */
  readonly mark: string;
  recognises(path: string): boolean;
  /** `more` are the words after the suite. */
  run(path: string, more: readonly string[]): Promise<readonly Case[]>;
}

export function report(suite: Suite, cases: readonly Case[]): string {
  const count = (status: Case['status']): number => cases.filter((each) => each.status === status).length;
  const width = Math.max(0, ...cases.map(({ name }) => name.length));
  const lines = cases.map(({ name, status, reason }) =>
    `${status.padEnd(8)}  ${name.padEnd(width)}  ${(reason ?? '').replaceAll('\n', ' ').slice(0, 400)}`.trimEnd(),
  );
  const [passed, failed, leftOut] = [count('passed'), count('failed'), count('left out')];
  return [...lines, '', `${suite.name}: ${passed} passed, ${failed} failed, ${leftOut} left out`].join('\n');
}
