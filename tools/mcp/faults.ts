/** How a tool server fails its caller, apart from the heavy code that finds it out. */
import { GyreError } from '../../src/core/errors.js';

/** The call did not reach a session that could have run it, so it may be sent again. */
export class NotDelivered extends Error {}

/** A fault of a tool server, as the loop makes an observation of it. */
export function fault(message: string): GyreError {
  return new GyreError({ side: 'gateway', status: 502, code: 'tool_server', message });
}
