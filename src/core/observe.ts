/**
 * Watching requests from beside the path they take. Whoever observes is injected; where nobody does, nothing
 * of this is called and nothing is made.
 */
import type { GyreError } from './errors.js';
import type { ToolCall } from './message.js';
import type { Policy } from './policy.js';
import type { Source } from './serving.js';
import type { Observation } from './tool.js';
import type { Ending } from './trajectory.js';

/** A request whose head was read. */
export interface Arrival {
  readonly requestId: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  header(name: string): string | undefined;
}

/** What is going to be answered, once nothing of the request can be refused any more. */
export interface Undertaken {
  /** The model as the client named it, and as the engine does. */
  readonly model: string;
  readonly engineModel: string;
  readonly source: Source;
  readonly trajectoryId: string;
  readonly responseId: string;
  readonly stream: boolean;
}

/**
 * What became of the response on its way, whatever became of the run: the client left in the middle, or before its
 * first byte.
 */
export type Delivered = 'delivered' | 'disconnected' | 'not_started';

/** One request watched. A refused one goes from its arrival straight to `closed`, which always comes, and last. */
export interface Watch {
  undertaken(answer: Undertaken): void;
  /** What to ask instead of `policy`: it does the same, and is watched. */
  policy(policy: Policy): Policy;
  /** One of the server's calls is over, run or refused. */
  tool(call: ToolCall, observation: Observation): void;
  /**
   * The run is over. `firstToken` is seconds from the arrival to the first visible token; `fault` is there exactly when
   * it failed.
   */
  ended(ending: Ending, fault: GyreError | undefined, firstToken: number | undefined): void;
  /** `status` is absent when no head was sent. */
  closed(status: number | undefined, delivered: Delivered): void;
}

export interface Observer {
  /** `route` is one of the gateway's own paths. */
  arrived(arrival: Arrival, route: string): Watch;
}
