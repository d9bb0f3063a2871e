// @ts-check
/** What set-up says when it cannot go on: one sentence that tells the reader what to do. Printed without a stack. */
export class Refusal extends Error {}

/**
 * Runs an entry point; a refusal is printed and ends the process with 1, anything else is a defect and keeps its stack.
 * @param {() => Promise<void>} entry
 */
export async function orRefuse(entry) {
  try {
    await entry();
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown;
    console.error(thrown.message);
    process.exit(1);
  }
}
