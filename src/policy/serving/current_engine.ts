/**
 * The engine this process talks to, once its address is known. Until then, and whenever it is gone, a request to it is
 * a 503 with the reason; the gateway is up all the while.
 */
import { GyreError } from '../../core/errors.js';
import type { Action, Policy, PolicyEvent, PolicyRequest, TokenCounter } from '../../core/policy.js';
import type { Neutraliser } from '../../core/text/control.js';
import { openPolicy, type EnginePolicy } from '../engine/sample.js';

interface EngineAddress {
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** What the engine calls version 0, where that is not `base`. */
  readonly baseModel?: string | undefined;
  /** Breaks its model's control tokens, where they are known. */
  readonly neutraliser?: Neutraliser | undefined;
}

export interface Engine {
  readonly policy: Policy;
  readonly counter: TokenCounter;
  /** Tokens of a text, control tokens in it broken. Throws the engine's faults. */
  tokens(text: string, signal: AbortSignal): Promise<readonly number[]>;
  readonly address: EngineAddress | undefined;
  /** Points at an engine, or at none with the reason why. The same address again changes nothing. */
  point(address: EngineAddress | undefined, waitingFor?: string): void;
  close(): Promise<void>;
}

/** `answerBytes` is what one answer may have; 16 MiB without it. */
export function openEngine(timeoutMs: number, answerBytes?: number): Engine {
  let address: EngineAddress | undefined;
  let current: EnginePolicy | undefined;
  let reason = 'it is starting';
  const present = (): EnginePolicy => {
    if (current === undefined)
      throw new GyreError({
        side: 'engine',
        status: 503,
        code: 'engine_unavailable',
        message: `The engine cannot answer yet: ${reason}. GET /ready says when it can.`,
        discreet: 'The engine cannot answer yet. GET /ready says when it can.',
        retryAfterMs: 2_000,
      });
    return current;
  };
  /** Version 0 by the name this engine has for it. */
  const named = <R extends { readonly model: string }>(request: R): R =>
    request.model === 'base' && address?.baseModel !== undefined ? { ...request, model: address.baseModel } : request;
  return {
    get address() {
      return address;
    },
    policy: {
      sample(request: PolicyRequest, signal: AbortSignal): AsyncGenerator<PolicyEvent, readonly Action[]> {
        return present().sample(named(request), signal);
      },
      render: async (prompt, turn, signal) => present().render(named(prompt), turn, signal),
    },
    counter: { count: async (prompt, signal) => present().count(named(prompt), signal) },
    tokens: async (text, signal) => present().tokens(text, named({ model: 'base' }).model, signal),
    point(next, waitingFor) {
      if (waitingFor !== undefined) reason = waitingFor;
      if (
        next?.url === address?.url &&
        next?.apiKey === address?.apiKey &&
        next?.baseModel === address?.baseModel &&
        next?.neutraliser === address?.neutraliser
      )
        return;
      // Requests in flight on the old address fail by themselves if it is gone, and end well if it is not.
      address = next;
      current = next === undefined ? undefined : openPolicy({ ...next, timeoutMs, answerBytes });
    },
    async close() {
      await current?.close();
    },
  };
}
