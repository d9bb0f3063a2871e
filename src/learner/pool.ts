/** Many asynchronous tasks, a few at a time, started in the order given. */

/**
 * Runs `work` over `items`, at most `width` at once; the first fault stops further starts and is thrown after the
 * running ones ended.
 */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T, at: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  let fault: { thrown: unknown } | undefined;
  const worker = async (): Promise<void> => {
    while (next < items.length && fault === undefined) {
      const at = next;
      next += 1;
      try {
        await work(items[at] as T, at);
      } catch (thrown) {
        fault ??= { thrown };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  if (fault !== undefined) throw fault.thrown;
}
