/** Faults of a tool server, apart from connection.ts, which loads the SDK and is loaded late. */
import { GyreError } from '../../src/core/errors.js';

/** The call did not reach a session that could have run it, so it may be sent again. */
export class NotDelivered extends Error {}

/** A fault of a tool server; the loop makes an observation of it. */
export function fault(message: string): GyreError {
  return new GyreError({ side: 'gateway', status: 502, code: 'tool_server', message });
}
