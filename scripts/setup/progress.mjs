// @ts-check
/**
 * Progress as plain lines, `[2/6] python environment ... 40/153 packages, 31 s`: readable in a terminal and in a log.
 */

const EVERY_MS = 5_000;

/**
 * @param {number} total Number of phases.
 * @param {(line: string) => void} print
 * @param {() => number} now Milliseconds.
 */
export function progress(total, print, now) {
  return {
    /** @param {number} number @param {string} name */
    phase(number, name) {
      const began = now();
      let last = began - EVERY_MS;
      const seconds = () => `${Math.round((now() - began) / 1000)} s`;
      return {
        /** Says how far it is, but not more often than every five seconds. @param {string} detail */
        at(detail) {
          if (now() - last < EVERY_MS) return;
          last = now();
          print(`[${number}/${total}] ${name} ... ${detail}, ${seconds()}`);
        },
        done() {
          print(`[${number}/${total}] ${name}: done, ${seconds()}`);
        },
      };
    },
  };
}

/** @typedef {ReturnType<ReturnType<typeof progress>['phase']>} Phase */
