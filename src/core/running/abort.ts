/**
 * Listening for an abort through one platform listener per signal: every policy call and every tool call adds a
 * listener and removes it again, and a list does that in far less time than the platform's EventTarget. Nor is it a
 * Set: signals are used again and grow old, and an old Set that changes leaves tables behind that keep what was in
 * them, until a whole heap is looked through.
 */

type Listeners = (() => void)[];

const listenersOf = new WeakMap<AbortSignal, Listeners>();

/**
 * Calls `listener` once when the signal fires, and returns how to stop listening. A signal that has fired already calls
 * nobody: look at `signal.aborted` first.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  const listeners = listenersOf.get(signal) ?? firstListeners(signal);
  listeners.push(listener);
  return () => {
    const at = listeners.indexOf(listener);
    if (at >= 0) listeners.splice(at, 1);
  };
}

/** The platform's listener stays as long as its signal, because signals are used again for the next request. */
function firstListeners(signal: AbortSignal): Listeners {
  const listeners: Listeners = [];
  listenersOf.set(signal, listeners);
  signal.addEventListener(
    'abort',
    () => {
      for (const listener of listeners.splice(0)) listener();
    },
    { once: true },
  );
  return listeners;
}

/** Resolves when the signal has fired. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => void onAbort(signal, resolve));
}
