/**
 * Hearing of an abort through one platform listener per signal, however many hear and however often they come and go.
 */

const hearers = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `hear` when the signal fires, once. Returns how to stop listening. A signal that has fired already says
 * nothing: ask it first.
 */
export function onAbort(signal: AbortSignal, hear: () => void): () => void {
  let all = hearers.get(signal);
  if (all === undefined) {
    const made = new Set<() => void>();
    all = made;
    hearers.set(signal, made);
    // One listener for as long as the signal lives, and signals live from request to request.
    signal.addEventListener(
      'abort',
      () => {
        const told = [...made];
        made.clear();
        for (const each of told) each();
      },
      { once: true },
    );
  }
  const joined = all;
  joined.add(hear);
  return () => void joined.delete(hear);
}
