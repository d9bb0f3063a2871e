/** Tasks that name tools of servers: the learning clock reaches a server for them, and for nothing else. */
import { afterEach, expect, test } from 'vitest';

import type { Tool } from '../../src/core/tool.js';
import { attempt } from '../../src/learner/attempt.js';
import type { Learner } from '../../src/learner/deps.js';
import { adder, tool } from '../fakes/gateway.js';
import { bench, sum, type Bench } from './bench.js';

let made: Bench;
afterEach(async () => made.close());

/** A learner whose servers bring `files__read` when they are prepared for. */
async function start(
  config: Record<string, unknown> = {},
): Promise<{ readonly learner: Learner; readonly prepared: (readonly string[])[] }> {
  made = await bench({
    script: (request) =>
      request.body.messages.at(-1)?.role === 'tool'
        ? { text: 'done' }
        : { calls: [{ name: 'files__read', arguments: '{}' }] },
    config,
  });
  const toolbox = new Map<string, Tool>([['calculator', adder]]);
  const prepared: (readonly string[])[] = [];
  const prepareTools = (names: readonly string[]): Promise<void> => {
    prepared.push(names);
    if (names.includes('files__read'))
      toolbox.set('files__read', { ...tool('files__read', () => 'a file'), pure: false });
    return Promise.resolve();
  };
  return { learner: { ...made.learner, toolbox, prepareTools }, prepared };
}

const how = { version: 0, origin: 'generate', sampling: {} } as const;

test("a task's tools are prepared before they are offered, and run", async () => {
  const { learner, prepared } = await start();
  expect(await attempt(learner, { ...sum('t', 1, 2), tools: ['files__read'] }, how)).toMatchObject({
    outcome: 'completed',
    text: 'done',
  });
  expect(prepared).toEqual([['files__read']]);
  expect(made.engine.requests[1]?.body.messages.at(-1)).toMatchObject({ role: 'tool', content: 'a file' });
});

test('a task that names none prepares the default ones', async () => {
  const { learner, prepared } = await start({ tools: { default: ['calculator', 'files__read'] } });
  const { id, messages, split, metadata } = sum('t', 1, 2);
  await attempt(learner, { id, messages, split, metadata }, how);
  expect(prepared).toEqual([['calculator', 'files__read']]);
  expect(made.engine.requests[0]?.body.tools).toHaveLength(2);
});

test('a tool that does not come is refused before anything is asked or logged', async () => {
  const { learner } = await start();
  await expect(attempt(learner, { ...sum('t', 1, 2), tools: ['files__write'] }, how)).rejects.toThrow(
    'names the tool "files__write", which does not exist',
  );
  expect(made.engine.requests).toEqual([]);
  expect(made.store.sqlite.prepare('SELECT count(*) AS n FROM trajectories').get()).toEqual({ n: 0 });
});
