/**
 * Which trajectories a list or an export has, and what it shows of each: the same names and values as a query of the
 * API and as flags of the command line.
 */
import { badRequest, quoted } from '../errors.js';
import { refuseUnknown } from '../paging.js';
import type { Origin, Outcome } from '../trajectory.js';

/** What is shown of a trajectory: a few lines, or all of it with the conversation as one of the two sides has it. */
export const VIEWS = ['summary', 'client', 'policy'] as const;
export type View = (typeof VIEWS)[number];

export const OUTCOMES = ['completed', 'incomplete', 'failed', 'cancelled'] as const satisfies readonly Outcome[];
export const ORIGINS = ['live', 'generate', 'evaluate'] as const satisfies readonly Origin[];
export const RATINGS = ['good', 'bad', 'any', 'none'] as const;
export const JUDGED = ['true', 'false', 'none'] as const;

/** All that is given must hold. What is about one response is about a trajectory's newest. */
export interface TrajectoryFilter {
  /** A version of the policy that took one of its steps. */
  readonly version?: number | undefined;
  readonly outcome?: Outcome | undefined;
  readonly origin?: Origin | undefined;
  /** The id or the name of a key; `none` is asked without one. */
  readonly key?: string | undefined;
  readonly task?: string | undefined;
  /** What the verdict that decides says of it; null where no judge could tell. */
  readonly good?: boolean | null | undefined;
  /** What its feedback says: any of it good (above 0), any of it bad, whatever it says, or that there is none. */
  readonly feedback?: (typeof RATINGS)[number] | undefined;
  /** Whether any of its steps may be trained on. */
  readonly trainable?: boolean | undefined;
  /** Begun at this time or later, and before that one: milliseconds since 1970. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /** A text that somebody said in it, whatever its case. */
  readonly q?: string | undefined;
}

/** What is shown of each trajectory. */
export interface Shown {
  readonly view: View;
  /** Whether token ids and log-probabilities are. */
  readonly tokens: boolean;
}

export const WHOLE: Shown = { view: 'client', tokens: true };

/** The values a name has, as a query or flags give them. */
export type Given = Readonly<Record<string, string | undefined>>;

type Read<T> = (value: string, name: string) => T;
type Readers = {
  readonly [K in keyof TrajectoryFilter]-?: (value: string, name: string, now: number) => TrajectoryFilter[K];
};

const READERS: Readers = {
  version: (value, name) => {
    if (/^(0|[1-9]\d{0,14})$/.test(value)) return Number(value);
    throw not(name, value, 'the number of a version, as 3');
  },
  outcome: oneOf(OUTCOMES),
  origin: oneOf(ORIGINS),
  key: words('the id or the name of a key, or none'),
  task: words('the id of a task'),
  good: (value, name) => {
    const said = oneOf(JUDGED)(value, name);
    return said === 'none' ? null : said === 'true';
  },
  feedback: oneOf(RATINGS),
  trainable: (value, name) => oneOf(['true', 'false'])(value, name) === 'true',
  since: time,
  until: time,
  q: words('a text that was said'),
};

const LONGEST = 1_000;

/** Throws a 400 that names the field, what it has, and what it may have. */
export function filterOf(given: Given, now: number = Date.now()): TrajectoryFilter {
  const filter = Object.fromEntries(
    Object.entries(READERS).flatMap(([name, read]) => {
      const value = given[name];
      return value === undefined ? [] : [[name, read(value, name, now)]];
    }),
  ) as TrajectoryFilter;
  if (filter.since !== undefined && filter.until !== undefined && filter.since > filter.until)
    throw badRequest(`"until" must not be before "since", and ${quoted(given['until'])} is.`, 'until');
  return filter;
}

/** Throws the same 400. */
export function shownOf({ view, include }: Given, fallback: View): Shown {
  const shown = view === undefined ? fallback : oneOf(VIEWS)(view, 'view');
  if (include !== undefined && include !== 'tokens') throw not('include', include, 'tokens');
  if (include !== undefined && shown === 'summary')
    throw badRequest(
      `"include" is ${quoted(include)}, and a summary has no tokens: ask with "view" client or policy.`,
      'include',
    );
  return { view: shown, tokens: include !== undefined };
}

/** A query of a list of trajectories, beside `limit` and `after`. */
export const LIST_PARAMETERS: readonly string[] = [...Object.keys(READERS), 'view', 'include'];

/** A query with one value a name. Throws a 400 for a name that is given twice. */
export function givenOf(query: Readonly<Record<string, readonly string[]>>): Given {
  for (const [name, values] of Object.entries(query)) {
    if (values.length > 1)
      throw badRequest(`${quoted(name)} is given ${values.length} times, and can have one value.`, name);
  }
  return Object.fromEntries(Object.entries(query).map(([name, [value]]) => [name, value]));
}

/** The parameters of one trajectory. */
export function oneShownOf(query: Readonly<Record<string, readonly string[]>>): Shown {
  refuseUnknown(Object.keys(query), ['view', 'include']);
  return shownOf(givenOf(query), 'client');
}

function oneOf<const T extends string>(allowed: readonly T[]): Read<T> {
  return (value, name) => {
    const found = allowed.find((each) => each === value);
    if (found === undefined) throw not(name, value, `one of ${allowed.join(', ')}`);
    return found;
  };
}

function words(what: string): Read<string> {
  return (value, name) => {
    if (value.trim() !== '' && value.length <= LONGEST) return value;
    throw not(name, value, `${what}, of at most ${LONGEST} characters`);
  };
}

const AGO = { m: 60, h: 3_600, d: 86_400, w: 604_800 } as const;
const DATE = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

/** Seconds since 1970, as every time of the API; a date, which begins in UTC; or so long ago. */
function time(value: string, name: string, now: number): number {
  const ago = /^(\d{1,6})([mhdw])$/.exec(value);
  if (ago !== null) return now - Number(ago[1]) * AGO[ago[2] as keyof typeof AGO] * 1_000;
  const found = /^\d{1,11}$/.test(value) ? Number(value) * 1_000 : isDate(value) ? Date.parse(value) : Number.NaN;
  if (!Number.isNaN(found)) return found;
  throw not(
    name,
    value,
    'seconds since 1970, a date as 2026-11-30 or 2026-11-30T08:00:00Z, or so long ago as 30m, 12h, 7d or 2w',
  );
}

/** Also a day that its month has: Date.parse takes the 31st of February for the 3rd of March. */
function isDate(value: string): boolean {
  const day = value.slice(0, 10);
  const begin = DATE.test(value) ? Date.parse(day) : Number.NaN;
  return !Number.isNaN(begin) && new Date(begin).toISOString().startsWith(day);
}

function not(name: string, value: string, allowed: string): Error {
  return badRequest(`"${name}" must be ${allowed}, not ${quoted(value)}.`, name);
}
