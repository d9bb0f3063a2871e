/** What every benchmark of the gateway asks, of whom, and how its rounds are summed up. */
import type { Running } from './processes.js';

/** A gateway under load. */
export interface Subject {
  readonly model: string;
  /** What a request to it must carry beside the body. */
  headers(engine: string): Readonly<Record<string, string>>;
  start(engine: string, data: string): Promise<Running>;
}

/** A request's body; `[<id>]` in it is another text in every request. */
export function question(model: string, stream: boolean): string {
  return JSON.stringify({
    model,
    messages: [
      { role: 'system', content: 'You are a helpful assistant. Answer briefly.' },
      { role: 'user', content: 'Request [<id>]: how many days has a leap year?' },
    ],
    ...(stream ? { stream: true } : {}),
  });
}

export function median(list: readonly number[]): number {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;
}
