/**
 * Output of a serving gateway: two lines on standard output that scripts wait for, everything else on standard error,
 * as text for a terminal or as one JSON object a line (`GYRE_LOG`), from a level on (`GYRE_LOG_LEVEL`).
 */
import { operatorError, quoted } from '../../core/errors.js';
import type { Observer } from '../../core/observe.js';
import type { Redactor } from '../../core/text/redact.js';
import { shown, shownJson } from '../../core/text/shown.js';
import { type Env, FIELDS, type Fields } from './fields.js';
import { requestLines } from './requests.js';

export interface Output {
  /** One line for whoever started the process. */
  line(text: string): void;
  warn(text: string): void;
  /** A bug of ours that one request met. */
  fault(fields: Fields, text: string): void;
  /** Something that happened. `text` is what a terminal shows; without one it is written as JSON only. */
  event(name: string, fields: Fields, text?: string): void;
  /** Writes a line for every request; absent where the level does not ask for it. */
  readonly requests?: Observer | undefined;
}

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
type Level = (typeof LEVELS)[number];

type WriteLine = (
  level: 'debug' | 'info' | 'warn' | 'error',
  event: string,
  fields: Fields,
  text: string | undefined,
) => void;

interface Streams {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean | undefined };
}

/** Throws an operator error when a variable is wrong. Nothing on standard error has what a `redactor` hides. */
export async function openOutput(env: Env, { stdout, stderr }: Streams, redactor?: Redactor): Promise<Output> {
  const level = choiceOf(env, 'GYRE_LOG_LEVEL', LEVELS, 'info');
  const form = choiceOf(env, 'GYRE_LOG', ['json', 'text'], stderr.isTTY === true ? 'text' : 'json');
  const whole = form === 'json' ? await json(level) : plain(level, stderr);
  const write = redactor === undefined ? whole : redacted(whole, redactor);
  return {
    line: (text) => void stdout.write(`${text}\n`),
    warn: (text) => write('warn', 'warning', {}, text),
    fault: (fields, text) => write('error', 'bug', fields, text),
    event: (name, fields, text) => write('info', name, fields, text),
    ...(level === 'debug' ? { requests: requestLines((fields, text) => write('debug', 'request', fields, text)) } : {}),
  };
}

/** Faults quote what they were met at, so texts are redacted whole; of the fields, those with words of others. */
function redacted(write: WriteLine, redactor: Redactor): WriteLine {
  return (at, event, fields, text) =>
    write(
      at,
      event,
      {
        ...fields,
        request_id: redactor.value(fields.request_id),
        model: redactor.value(fields.model),
        reason: redactor.value(fields.reason),
      },
      text === undefined ? undefined : redactor.text(text),
    );
}

async function json(level: Level): Promise<WriteLine> {
  const { pino } = await import('pino');
  // Synchronous, because the last line often says why a process ended.
  const out = pino.destination({ fd: 2, sync: true });
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => void out.write(shownJson(line)) },
  );
  return (at, event, fields, text) => {
    if (!logger.isLevelEnabled(at)) return;
    const entry: Record<string, unknown> = { event };
    for (const name of FIELDS) if (fields[name] !== undefined) entry[name] = fields[name];
    logger[at](entry, text);
  };
}

function plain(level: Level, stderr: Streams['stderr']): WriteLine {
  const least = LEVELS.indexOf(level);
  return (at, _event, _fields, text) => {
    if (text !== undefined && LEVELS.indexOf(at) >= least) stderr.write(`${shown(text)}\n`);
  };
}

function choiceOf<Choice extends string>(env: Env, name: string, choices: readonly Choice[], fallback: Choice): Choice {
  const text = env[name]?.trim().toLowerCase() ?? '';
  const found = text === '' ? fallback : choices.find((choice) => choice === text);
  if (found === undefined)
    throw operatorError(
      `the environment variable ${name} is ${quoted(env[name])}; it must be one of ${choices.join(', ')}, or unset`,
    );
  return found;
}
