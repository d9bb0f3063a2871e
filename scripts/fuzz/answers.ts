/** What a gateway answered, as its own numbers tell it. */
import type { Gateway } from '../demo/gateway.js';

export interface Answers {
  /** A line for each route: how many, and with which statuses. */
  readonly lines: readonly string[];
  readonly total: number;
  /** Those with a status of 500 or more. */
  readonly faults: number;
  /** What was answered and could not be logged. */
  readonly unlogged: number;
}

export async function answersOf(gateway: Gateway): Promise<Answers> {
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  const routes = new Map<string, [status: number, count: number][]>();
  for (const [, route = '', status, count] of text.matchAll(
    /^gyre_requests_total\{route="([^"]*)",status="(\d+)"\} (\d+)$/gm,
  ))
    routes.set(route, [...(routes.get(route) ?? []), [Number(status), Number(count)]]);
  const all = [...routes.values()].flat();
  const sum = (counts: readonly (readonly [number, number])[]): number =>
    counts.reduce((before, [, count]) => before + count, 0);
  return {
    lines: [...routes]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([route, counts]) => {
        const statuses = counts.sort(([one], [other]) => one - other).map(([status, count]) => `${status}: ${count}`);
        return `${route.padEnd(40)} ${String(sum(counts)).padStart(6)}  (${statuses.join(', ')})`;
      }),
    total: sum(all),
    faults: sum(all.filter(([status]) => status >= 500)),
    unlogged: Number(/^gyre_log_failures_total (\d+)$/m.exec(text)?.[1]),
  };
}
