// @ts-check
/** A command of set-up: where its output lies, and what is said when it fails. */
import { join } from 'node:path';

import { Refusal } from './refusal.mjs';

/** @param {string} root @param {string} name */
export const logOf = (root, name) => join(root, '.gyre', 'logs', `setup-${name}.log`);

/** @param {string} what @param {string} log @param {import('./processes.mjs').Finished} result */
export function failed(what, log, { code, tail }) {
  const said = tail.filter((line) => /error|fatal|fail/i.test(line)).at(-1) ?? tail.at(-1) ?? 'it said nothing';
  return new Refusal(
    `${what} failed with code ${code} (${said.slice(0, 300)}): the whole output is in ` +
      `${log}; run the command again to retry.`,
  );
}
