import { defineConfig } from 'vitest/config';

/** The circle on real vLLM: one file at a time, each with the machine to itself. */
export default defineConfig({
  test: {
    globalSetup: 'tests/compiled.mjs',
    include: ['tests/e2e/**/*.test.ts'],
    fileParallelism: false,
    testTimeout: 20 * 60_000,
    hookTimeout: 10 * 60_000,
    pool: 'forks',
  },
});
