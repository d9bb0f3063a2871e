/** Tools: what the policy may call and the server runs. Client functions are described by {@link FunctionSpec} only. */
import type { FunctionSpec } from './policy.js';

export interface ToolLimits {
  /** Milliseconds one call may take. */
  readonly timeoutMs: number;
  /** Bytes of UTF-8 an observation may hold before it is cut with a mark. */
  readonly maxBytes: number;
}

/** What came back from one call: an observation, whatever happened. `error` names the fault for the record. */
export interface Observation {
  readonly content: string;
  readonly error?: 'unknown_tool' | 'bad_arguments' | 'failed' | 'timeout' | 'cancelled' | 'limit' | undefined;
  readonly ms: number;
}

/** A server tool. `run` may throw: the loop makes an observation of it. */
export interface Tool {
  readonly spec: FunctionSpec;
  /** True when a call has no effect and always gives the same answer: a rule judge may then evaluate it. */
  readonly pure: boolean;
  /** Bounds of its own, instead of the configured ones. */
  readonly limits?: ToolLimits | undefined;
  run(args: unknown, signal: AbortSignal): Promise<string>;
  /** Starts what takes a moment to start, so that the first call does not wait for it. */
  warm?(): void;
  /** Ends what the tool holds (a child process, a database). */
  close?(): Promise<void> | void;
}

/** Tools by function name. */
export type Toolbox = ReadonlyMap<string, Tool>;

/** Of the functions that are offered somewhere those that may be run there again, and those that may not. */
export function againRunnable(
  offered: readonly FunctionSpec[],
  toolbox: Toolbox,
): { readonly serverTools: Toolbox; readonly clientTools: readonly FunctionSpec[] } {
  const serverTools = new Map(
    offered.flatMap(({ name }): (readonly [string, Tool])[] => {
      const tool = toolbox.get(name);
      return tool?.pure === true ? [[name, tool]] : [];
    }),
  );
  return { serverTools, clientTools: offered.filter(({ name }) => !serverTools.has(name)) };
}
