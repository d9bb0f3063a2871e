/**
 * Memory that is given back. After much work V8 keeps a heap of garbage for as long as little is asked: nothing makes
 * it look. A thread that has time looks itself.
 */
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const LOOK_MS = 5_000;
/** A heap that may grow by so much before it is worth a pause, bytes. */
const GROWTH = 32 * 1024 * 1024;
/** A thread that is busy for less of its time than this has some. */
const BUSY = 0.5;

/** Looks every few seconds, for as long as the thread lives. */
export function giveMemoryBack(): void {
  let collect: (() => void) | undefined;
  let left = 0;
  let before = performance.eventLoopUtilization();
  const look = (): void => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    const { heapTotal } = process.memoryUsage();
    if (utilization > BUSY || heapTotal < 2 * left + GROWTH) return;
    collect ??= collector();
    collect();
    left = process.memoryUsage().heapTotal;
  };
  look();
  setInterval(look, LOOK_MS).unref();
}

/** V8's own, which node shows only where a flag is set before it is asked for. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  return collect;
}
