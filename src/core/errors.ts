/**
 * Errors as values with a side. Every fault that crosses a boundary becomes one of these, once, where
 * it is first understood; `http/failure.ts` alone makes a response of it.
 */
import { writeJson } from './text/json.js';

/** Whose fault it is, and so who must act. */
export type Side = 'client' | 'gateway' | 'engine' | 'judge' | 'trainer';

export interface ErrorFields {
  readonly side: Side;
  readonly status: number;
  /** OpenAI's `error.code`. */
  readonly code: string;
  /** The offending value, and what to do. */
  readonly message: string;
  /** The request field at fault, dotted. */
  readonly param?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  /**
   * What anybody may read instead of the message, where that says what only operators are to know: an address, a path,
   * the words of a system or of another server.
   */
  readonly discreet?: string | undefined;
  readonly cause?: unknown;
}

export class GyreError extends Error {
  readonly side: Side;
  readonly status: number;
  readonly code: string;
  readonly param: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly discreet: string | undefined;

  constructor(fields: ErrorFields) {
    super(fields.message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.name = 'GyreError';
    this.side = fields.side;
    this.status = fields.status;
    this.code = fields.code;
    this.param = fields.param;
    this.retryAfterMs = fields.retryAfterMs;
    this.discreet = fields.discreet;
  }
}

/** 400 on a named field. */
export function badRequest(message: string, param?: string, code = 'invalid_value'): GyreError {
  return new GyreError({ side: 'client', status: 400, code, message, param });
}

/** 404 with the code `THING_not_found`: there is no such thing, or none that the caller may see. */
export function missing(thing: string, message: string, param: string): GyreError {
  return new GyreError({ side: 'client', status: 404, code: `${thing}_not_found`, message, param });
}

const BUG = 'internal_error';

/** A fault of ours that no caller can mend. */
export function internal(message: string, cause?: unknown): GyreError {
  return new GyreError({ side: 'gateway', status: 500, code: BUG, message, cause });
}

/** A mistake of the operator: command line, configuration, files, machine. The process prints it and ends with 1. */
export function operatorError(message: string, cause?: unknown): GyreError {
  return new GyreError({ side: 'client', status: 400, code: 'operator_error', message, cause });
}

/** A value as a message quotes it: JSON, cut at 200 characters. */
export function quoted(value: unknown): string {
  // JSON.stringify gives undefined for undefined and for functions, whatever its type says.
  const text = (writeJson(value) as string | undefined) ?? typeof value;
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}

/** Whether it is a mistake in this program: its reason is the operator's to read, in the log. */
export function isBug(thrown: unknown): boolean {
  return !(thrown instanceof GyreError) || thrown.code === BUG;
}

/** What another thread or process makes the same error of: an Error itself would lose its fields on the way. */
export function fieldsOf({ side, status, code, message, param, retryAfterMs, discreet }: GyreError): ErrorFields {
  return { side, status, code, message, param, retryAfterMs, discreet };
}

/** The error without what only operators are to know. */
export function discreetly<T>(thrown: T): T | GyreError {
  if (!(thrown instanceof GyreError) || thrown.discreet === undefined) return thrown;
  const { side, status, code, discreet: message, param, retryAfterMs } = thrown;
  return new GyreError({ side, status, code, message, param, retryAfterMs, cause: thrown });
}

/** The message of anything thrown. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** What a caller sees of anything thrown: a GyreError stays, the rest is an internal error with its cause kept. */
export function asGyreError(thrown: unknown): GyreError {
  return thrown instanceof GyreError ? thrown : internal(`unexpected fault: ${reasonOf(thrown)}`, thrown);
}
