/**
 * Listening for an abort through one platform listener per signal: every policy call and every tool call adds a
 * listener and removes it again, and a Set does that in far less time than the platform's EventTarget.
 */

const listenersOf = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `listener` once when the signal fires, and returns how to stop listening. A signal that has fired already calls
 * nobody: look at `signal.aborted` first.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  const listeners = listenersOf.get(signal) ?? firstListeners(signal);
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** The platform's listener stays as long as its signal, because signals are used again for the next request. */
function firstListeners(signal: AbortSignal): Set<() => void> {
  const listeners = new Set<() => void>();
  listenersOf.set(signal, listeners);
  signal.addEventListener(
    'abort',
    () => {
      const calling = [...listeners];
      listeners.clear();
      for (const listener of calling) listener();
    },
    { once: true },
  );
  return listeners;
}
