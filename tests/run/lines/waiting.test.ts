/** What a starting gateway says while its parts come up. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { Part } from '../../../src/http/routes/health.js';
import { reportWaiting } from '../../../src/run/lines/waiting.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('each thing it waits for is said once, and nothing of parts that are ready or not needed', () => {
  let parts: Part[] = [];
  const said: unknown[] = [];
  const stop = reportWaiting(() => parts, { event: (...event) => said.push(event) });
  const engine = (detail?: string): Part => ({ part: 'engine', ready: false, detail });
  const trainer: Part = { part: 'trainer', ready: false, needed: false, detail: 'starting' };
  for (const now of [
    [engine('vLLM is starting'), trainer],
    [engine('vLLM is starting'), trainer],
    [engine('vLLM is warming'), trainer],
    [{ part: 'engine', ready: true, detail: 'http://x' }, trainer],
    [engine(), trainer],
  ]) {
    parts = now;
    vi.advanceTimersByTime(1_000);
  }
  expect(said).toEqual(
    ['vLLM is starting', 'vLLM is warming', 'not ready'].map((detail) => [
      'waiting',
      { reason: `engine: ${detail}` },
      `waiting for engine: ${detail}`,
    ]),
  );
  stop();
  parts = [engine('more')];
  vi.advanceTimersByTime(5_000);
  expect(said).toHaveLength(3);
});
