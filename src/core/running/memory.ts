/**
 * Memory that is given back. After much work V8 keeps a heap of garbage, and the buffers that hang on it, for as long
 * as little is asked: nothing makes it look. A thread that has time looks itself.
 */
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const LOOK_MS = 5_000;
/** A smaller heap is worth no pause, bytes, and neither is one that has grown by less. */
const SMALL = 64 * 1024 * 1024;
const GROWN = 16 * 1024 * 1024;
/** A thread that is busy for less of its time than this has some: everything waits for a pause of a large heap. */
const BUSY = 0.15;
/** Looks until what was in use may have become garbage: few at first, then more and more of them. */
const [SOON, LATE] = [2, 120];

/** Looks every few seconds, for as long as the thread lives. */
export function giveMemoryBack(): void {
  let collect: (() => void) | undefined;
  let [looks, patience] = [0, SOON];
  /** What was in use after the last pause. */
  let inUse = 0;
  let before = performance.eventLoopUtilization();
  const look = (): void => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    looks += 1;
    const { heapTotal, heapUsed, external } = process.memoryUsage();
    const grown = heapUsed + external > inUse + GROWN;
    if (utilization > BUSY || heapTotal + external < SMALL || (!grown && looks < patience)) return;
    collect ??= collector();
    collect();
    const after = process.memoryUsage();
    inUse = after.heapUsed + after.external;
    patience = grown ? SOON : Math.min(2 * patience, LATE);
    looks = 0;
  };
  setInterval(look, LOOK_MS).unref();
}

/** V8's own, which node shows only where a flag is set before it is asked for. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  return collect;
}
