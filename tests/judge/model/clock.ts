/** A clock that is moved until something has come to its end. */
import { vi } from 'vitest';

const STEP_MS = 250;

/** Whatever it waits for passes. */
export async function patiently<T>(promise: Promise<T>): Promise<T> {
  let over = false;
  const end = (): void => void (over = true);
  promise.then(end, end);
  await vi.advanceTimersByTimeAsync(0);
  while (!over) await vi.advanceTimersByTimeAsync(STEP_MS);
  return promise;
}
