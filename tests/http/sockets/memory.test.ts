import { describe, expect, it } from 'vitest';

import type { Message } from '../../../src/core/message.js';
import { Past } from '../../../src/http/protocol/past.js';
import { Memory, Remembered } from '../../../src/http/sockets/memory.js';

describe('what connections remember', () => {
  const said = (chars: number): Message[] => [{ role: 'user', content: 'x'.repeat(chars) }];
  const none = new Past(undefined);
  const knows = (memory: Memory, id: string): boolean => memory.before(none).conversation(id) !== undefined;

  it('is bounded: what was said longest ago is forgotten first, on whatever connection', () => {
    const all = new Remembered(100_000);
    const [first, second] = [new Memory(all), new Memory(all)];
    first.keep('a', 'resp_1', said(20_000), undefined, undefined);
    second.keep('a', 'resp_2', said(20_000), undefined, undefined);
    expect([knows(first, 'resp_1'), knows(second, 'resp_2')]).toEqual([true, true]);
    second.keep('b', 'resp_3', said(20_000), undefined, undefined);
    expect([knows(first, 'resp_1'), knows(second, 'resp_2'), knows(second, 'resp_3')]).toEqual([false, true, true]);
    second.clear();
    // What was under way then is nobody's to go on from.
    second.keep('c', 'resp_late', said(40_000), undefined, undefined);
    expect(knows(second, 'resp_late')).toBe(false);
    first.keep('a', 'resp_4', said(40_000), undefined, undefined);
    expect(knows(first, 'resp_4')).toBe(true);
  });

  it('is no conversation that is too large for a connection, nor more of them', () => {
    const memory = new Memory(new Remembered());
    memory.keep('a', 'resp_1', said(9 * 1024 * 1024), undefined, undefined);
    expect(knows(memory, 'resp_1')).toBe(false);
    for (const at of [1, 2, 3]) memory.keep(`lane ${at}`, `resp_${at}`, said(3 * 1024 * 1024), undefined, undefined);
    expect([1, 2, 3].map((at) => knows(memory, `resp_${at}`))).toEqual([false, true, true]);
  });
});
