/**
 * Observers of requests: telemetry and request lines in the log. They are injected and change nothing; without one,
 * nothing of this is called and no object is made.
 */
import type { GyreError } from './errors.js';
import type { ToolCall } from './message.js';
import type { Policy } from './policy.js';
import type { Source } from './serving.js';
import type { Observation } from './tool.js';
import type { Ending } from './trajectory.js';

/** A request whose head (method, path, headers) was read; its body was not. */
export interface Arrival {
  readonly requestId: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  header(name: string): string | undefined;
}

/** A request that passed every check: it is going to be answered. */
export interface Accepted {
  /** The model as the client named it, and as the engine does. */
  readonly model: string;
  readonly engineModel: string;
  readonly source: Source;
  readonly trajectoryId: string;
  readonly responseId: string;
  readonly stream: boolean;
}

/** How far the response got on its way to the client, whatever became of the run. */
export type Delivered =
  /** The client has all of it. */
  | 'delivered'
  /** The client left in the middle. */
  | 'disconnected'
  /** The client left before the first byte. */
  | 'not_started';

/**
 * One observer of one request. `closed` always comes, and comes last; for a refused request at most `refused` comes
 * before it.
 */
export interface Watch {
  accepted(request: Accepted): void;
  /** What to ask instead of `policy`: it does the same, and is watched. */
  policy(policy: Policy): Policy;
  /** One of the server's calls is over, run or refused. */
  tool(call: ToolCall, observation: Observation): void;
  /**
   * The run is over. `firstToken` is seconds from the arrival to the first visible token; `fault` is there exactly when
   * it failed.
   */
  ended(ending: Ending, fault: GyreError | undefined, firstToken: number | undefined): void;
  /** It is answered with this error: instead of a run, or after one that failed. */
  refused?(fault: GyreError): void;
  /** `status` is absent when no head was sent. */
  closed(status: number | undefined, delivered: Delivered): void;
}

export interface Observer {
  /** `route` is one of the gateway's own paths. */
  arrived(arrival: Arrival, route: string): Watch;
}
