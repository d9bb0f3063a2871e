/** What a gateway's thread and those that read for it say to each other. */
import type { Config } from '../../core/config.js';
import { type ErrorFields, fieldsOf, GyreError, reasonOf } from '../../core/errors.js';
import { codeOf } from '../../store/file/passing.js';
import type { CallName } from './calls.js';

export interface ReaderData {
  readonly config: Config;
  /** How long it may wait for another program's lock, milliseconds. */
  readonly busyMs: number;
  /** Where processor time is short, requests go first by so much. */
  readonly niceness: number;
}

export type ToReader =
  { readonly type: 'call'; readonly name: CallName; readonly args: readonly unknown[] } | { readonly type: 'close' };

export type FromReader =
  | { readonly type: 'ready' }
  | { readonly type: 'done'; readonly value: unknown }
  | { readonly type: 'threw'; readonly fault: Fault };

/** An error without its class, which does not come through. */
type Fault =
  | { readonly kind: 'gyre'; readonly fields: ErrorFields }
  | { readonly kind: 'other'; readonly message: string; readonly code: string; readonly stack: string | undefined };

export function faultOf(thrown: unknown): Fault {
  if (thrown instanceof GyreError) {
    return { kind: 'gyre', fields: fieldsOf(thrown) };
  }
  const stack = thrown instanceof Error ? thrown.stack : undefined;
  return { kind: 'other', message: reasonOf(thrown), code: codeOf(thrown), stack };
}

export function errorOf(fault: Fault): Error {
  if (fault.kind === 'gyre') return new GyreError(fault.fields);
  const { message, code, stack } = fault;
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return code === '' ? error : Object.assign(error, { code });
}
