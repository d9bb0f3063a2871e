/**
 * What a serving gateway says: two lines on standard output that others wait for, everything else on standard
 * error, for a person at a terminal or as one JSON object a line (`GYRE_LOG`), from a level on (`GYRE_LOG_LEVEL`).
 */
import { operatorError, quoted } from '../../core/errors.js';
import type { Observer } from '../../core/observe.js';
import { type Env, FIELDS, type Fields } from './fields.js';
import { requestLines } from './requests.js';

export interface Output {
  /** One line for whoever started the process. */
  line(text: string): void;
  warn(text: string): void;
  /** Something that happened. `text` is what a terminal shows; what has none is told as JSON only. */
  event(name: string, fields: Fields, text?: string): void;
  /** Tells every request; there is one only where the level asks for it. */
  readonly requests?: Observer | undefined;
}

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
type Level = (typeof LEVELS)[number];

/** Writes one thing that happened. */
type Tell = (level: 'debug' | 'info' | 'warn', event: string, fields: Fields, text: string | undefined) => void;

interface Streams {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean | undefined };
}

/** Throws an operator error when a variable is wrong. */
export async function openOutput(env: Env, { stdout, stderr }: Streams): Promise<Output> {
  const level = wordOf(env, 'GYRE_LOG_LEVEL', LEVELS, 'info');
  const form = wordOf(env, 'GYRE_LOG', ['json', 'text'], stderr.isTTY === true ? 'text' : 'json');
  const tell = form === 'json' ? await json(level) : plain(level, stderr);
  return {
    line: (text) => void stdout.write(`${text}\n`),
    warn: (text) => tell('warn', 'warning', {}, text),
    event: (name, fields, text) => tell('info', name, fields, text),
    ...(level === 'debug' ? { requests: requestLines((fields, text) => tell('debug', 'request', fields, text)) } : {}),
  };
}

async function json(level: Level): Promise<Tell> {
  const { pino } = await import('pino');
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    // At once: the last line says why a process ended.
    pino.destination({ fd: 2, sync: true }),
  );
  return (at, event, fields, text) => {
    if (!logger.isLevelEnabled(at)) return;
    const line: Record<string, unknown> = { event };
    for (const name of FIELDS) if (fields[name] !== undefined) line[name] = fields[name];
    logger[at](line, text);
  };
}

function plain(level: Level, stderr: Streams['stderr']): Tell {
  const least = LEVELS.indexOf(level);
  return (at, _event, _fields, text) => {
    if (text !== undefined && LEVELS.indexOf(at) >= least) stderr.write(`${text}\n`);
  };
}

function wordOf<Word extends string>(env: Env, name: string, words: readonly Word[], fallback: Word): Word {
  const text = env[name]?.trim().toLowerCase() ?? '';
  const found = text === '' ? fallback : words.find((word) => word === text);
  if (found === undefined)
    throw operatorError(
      `the environment variable ${name} is ${quoted(env[name])}; it must be one of ${words.join(', ')}, or unset`,
    );
  return found;
}
