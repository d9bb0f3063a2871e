import { expect, it } from 'vitest';

import type { LoggedResponse } from '../../../src/core/reading.js';
import { inputItems } from '../../../src/http/responses/input_items.js';

const LOGGED: LoggedResponse = {
  id: 'resp_1',
  model: 'gyre',
  asked: undefined,
  sampling: {},
  createdAt: 0,
  ms: 1,
  ending: {
    outcome: 'completed',
    stopReason: 'stop',
    usage: { prompt_tokens: 1, completion_tokens: 1, cached_tokens: 0, reasoning_tokens: 0 },
    toolUse: { requested: 0, executed: 0, by_tool: {} },
  },
  said: Array.from({ length: 10 }, (_, at) => ({ role: 'user', content: `${at} ${'x'.repeat(1_000)}` })),
  answer: undefined,
  turns: [],
};

it('a page of large items ends before it is full, has one at least, and leads on to all of them', () => {
  const seen: (string | null)[] = [];
  for (let after: string | undefined; ;) {
    const page = inputItems(LOGGED, { order: 'asc', ...(after === undefined ? {} : { after }) }, 2_500);
    expect(page.data.length).toBeGreaterThan(0);
    expect(page.data.length).toBeLessThan(4);
    seen.push(...page.data.map(({ id }) => id));
    if (!page.has_more) break;
    after = page.last_id ?? '';
  }
  expect(seen).toHaveLength(10);
  expect(new Set(seen).size).toBe(10);
  expect(inputItems(LOGGED, { order: 'asc' }, 1).data).toHaveLength(1);
});
