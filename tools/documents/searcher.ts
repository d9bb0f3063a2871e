/**
 * Searches in a thread of their own, one at a time: whoever asks meanwhile waits his turn, and no answer waits with
 * him. SQLite cannot be told to stop, so a search that nobody waits for any more ends with its thread.
 */
import { Worker } from 'node:worker_threads';

import { onAbort } from '../../src/core/running/abort.js';
import { compiled } from '../../src/core/running/compiled.js';

export interface SearchData {
  readonly dataDir: string;
}

export interface ToSearch {
  /** A query of FTS5. */
  readonly match: string;
}

export interface Hit {
  readonly root: string;
  readonly path: string;
  readonly heading: string;
  readonly text: string;
}

type Found =
  /** No document is indexed. */
  | { readonly type: 'empty' }
  /** The best first; `older`: by an index of an earlier version. */
  | { readonly type: 'found'; readonly hits: readonly Hit[]; readonly older: boolean };

export type FromSearch = Found | { readonly type: 'failed'; readonly reason: string };

interface Search {
  readonly match: string;
  readonly resolve: (found: Found) => void;
  readonly reject: (thrown: unknown) => void;
}

export interface Searcher {
  search(match: string, signal: AbortSignal): Promise<Found>;
  close(): Promise<void>;
}

/** The thread begins with the first search. `module` is the path of the compiled `search_worker.ts`. */
export function openSearcher(
  dataDir: string,
  module: string = compiled(new URL('./search_worker.js', import.meta.url)),
): Searcher {
  const waiting: Search[] = [];
  let worker: Worker | undefined;
  let inHand: Search | undefined;
  let closed = false;

  const died = (fault: unknown): void => {
    const search = inHand;
    worker = inHand = undefined;
    search?.reject(fault);
    next();
  };

  function start(): Worker {
    const begun = new Worker(module, { workerData: { dataDir } satisfies SearchData });
    let fault: unknown = new Error('the search ended before it found anything');
    begun.on('error', (thrown) => (fault = thrown));
    begun.on('exit', () => died(fault));
    begun.on('message', (message: FromSearch) => {
      const search = inHand;
      inHand = undefined;
      if (message.type === 'failed') search?.reject(new Error(message.reason));
      else search?.resolve(message);
      next();
    });
    return begun;
  }

  function next(): void {
    if (inHand !== undefined) return;
    inHand = waiting.shift();
    if (inHand === undefined) return worker?.unref(); // nothing ends later for a thread without work
    worker ??= start();
    worker.ref();
    worker.postMessage({ match: inHand.match } satisfies ToSearch);
  }

  return {
    search: (match, signal) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new Error('the tool is closed'));
        signal.throwIfAborted();
        const ended = onAbort(signal, () => {
          search.reject(signal.reason as Error);
          const at = waiting.indexOf(search);
          if (at >= 0) waiting.splice(at, 1);
          else if (inHand === search) void worker?.terminate();
        });
        const search: Search = {
          match,
          resolve(found) {
            ended();
            resolve(found);
          },
          reject(thrown) {
            ended();
            reject(thrown instanceof Error ? thrown : new Error(String(thrown)));
          },
        };
        waiting.push(search);
        next();
      }),
    async close() {
      closed = true;
      for (const { reject } of waiting.splice(0)) reject(new Error('the tool is closed'));
      await worker?.terminate();
    },
  };
}
