/** Searching in a thread of its own: what a slow search, one that is given up and one that dies do to others. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { openSearcher, type Searcher } from '../../../tools/documents/searcher.js';

/** A search for `slow` never ends, one for `dies` ends the thread, one for `bad` fails; any other finds itself. */
const WORKER = `
  import { parentPort } from 'node:worker_threads';
  parentPort.on('message', ({ match }) => {
    if (match === 'slow') for (;;);
    if (match === 'dies') process.exit(1);
    if (match === 'bad') return parentPort.postMessage({ type: 'failed', reason: 'no such table' });
    parentPort.postMessage({ type: 'found', hits: [{ root: '', path: match, heading: '', text: '' }], older: false });
  });
`;
const EVER = new AbortController().signal;

let folder: string;
let searcher: Searcher;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gyre-search-'));
  const module = join(folder, 'worker.mjs');
  writeFileSync(module, WORKER);
  searcher = openSearcher(folder, module);
});
afterEach(async () => {
  await searcher.close();
  rmSync(folder, { recursive: true });
});

const found = async (match: string): Promise<string> => {
  const answer = await searcher.search(match, EVER);
  return answer.type === 'found' ? (answer.hits[0]?.path ?? '') : answer.type;
};

it('a search that is given up ends, and those behind it are made', async () => {
  const leaving = new AbortController();
  const slow = searcher.search('slow', leaving.signal);
  const behind = [found('a'), found('b')];
  // This thread goes on meanwhile.
  await new Promise((resolve) => setTimeout(resolve, 50));
  leaving.abort(new Error('the client left'));
  await expect(slow).rejects.toThrow('the client left');
  expect(await Promise.all(behind)).toEqual(['a', 'b']);
});

it('one that is given up while it waits is not made', async () => {
  const leaving = new AbortController();
  const first = found('a');
  const given = searcher.search('slow', leaving.signal);
  leaving.abort(new Error('the client left'));
  await expect(given).rejects.toThrow('the client left');
  expect([await first, await found('b')]).toEqual(['a', 'b']);
});

it('a thread that dies takes only its own search with it', async () => {
  const dies = found('dies');
  const behind = found('a');
  await expect(dies).rejects.toThrow('ended before it found anything');
  expect(await behind).toBe('a');
});

it('what cannot be searched is told with its reason', async () => {
  await expect(found('bad')).rejects.toThrow('no such table');
  expect(await found('a')).toBe('a');
});

it('what waits when it is closed is told so', async () => {
  const slow = found('slow');
  const behind = found('a');
  const ended = Promise.allSettled([slow, behind]);
  await searcher.close();
  expect((await ended).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await expect(found('a')).rejects.toThrow('the tool is closed');
});
