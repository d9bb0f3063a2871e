/** Lines on what a starting gateway waits for: loading a model takes minutes on a slow machine. */
import type { Part } from '../../http/routes/health.js';
import type { Output } from './output.js';

const POLL_MS = 1_000;

/** Says what the parts that are needed are doing, whenever it changes. Returns a function that stops it. */
export function reportWaiting(parts: () => readonly Part[], output: Pick<Output, 'event'>): () => void {
  let said = '';
  const say = (): void => {
    const reason = parts()
      .filter(({ ready, needed }) => !ready && needed !== false)
      .map(({ part, detail = 'not ready' }) => `${part}: ${detail}`)
      .join('; ');
    if (reason !== '' && reason !== said) output.event('waiting', { reason }, `waiting for ${reason}`);
    said = reason;
  };
  const timer = setInterval(say, POLL_MS);
  return () => clearInterval(timer);
}
