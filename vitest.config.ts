import { defineConfig } from 'vitest/config';

/** Everything but the end-to-end run, which has a file of its own: vitest.e2e.config.ts. */
export default defineConfig({
  test: {
    globalSetup: 'tests/compiled.mjs',
    include: ['tests/**/*.test.ts'],
    exclude: ['tests/e2e/**', '**/node_modules/**'],
    // Real processes and real servers on a busy machine: a limit that only a hang reaches.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Tests wait for processes and for the disk more than they compute: one worker leaves half of two cores idle.
    maxWorkers: 2,
  },
});
