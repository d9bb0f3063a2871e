/**
 * Who watches the requests of a gateway: nobody, unless telemetry has an address to go to or the log tells every
 * request.
 */
import type { Config } from '../core/config.js';
import { reasonOf } from '../core/errors.js';
import type { Observer, Watch } from '../core/observe.js';
import { redactorOf } from '../core/text/redact.js';
import type { Env } from './lines/fields.js';
import { VERSION } from './machine.js';
import type { Output } from './lines/output.js';

export interface Observing {
  /** Absent where nobody watches: a request then costs nothing more. */
  readonly observer?: Observer | undefined;
  readonly telemetry: boolean;
  /** Sends what is left, within a bound. Idempotent. */
  close(): Promise<void>;
}

/** Any of them turns telemetry on. */
const ADDRESSES = [
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT',
];

/** Throws an operator error when a variable is wrong. */
export async function openObserving(env: Env, config: Config, output: Output): Promise<Observing> {
  const wanted =
    ADDRESSES.some((name) => (env[name] ?? '').trim() !== '') &&
    env['OTEL_SDK_DISABLED']?.trim().toLowerCase() !== 'true';
  const telemetry = wanted
    ? (await import('../telemetry/open.js')).openTelemetry({
        env,
        version: VERSION,
        // An engine given by address is known by its protocol only.
        provider: config['engine.url'] === undefined ? 'vllm' : 'openai',
        redactor: redactorOf(config.redact),
        warn: (text) => output.warn(text),
      })
    : undefined;
  let closing: Promise<void> | undefined;
  const observers = [telemetry?.observer, output.requests].filter((each) => each !== undefined);
  return {
    ...(observers.length === 0
      ? {}
      : {
          observer: guarded(observers, (thrown) =>
            output.warn(`watching a request failed, and is given up for it: ${reasonOf(thrown)}`),
          ),
        }),
    telemetry: wanted,
    close: () => (closing ??= telemetry?.close() ?? Promise.resolve()),
  };
}

/** All of them as one. A fault of one that watches is told once a request and never reaches what it watches. */
export function guarded(observers: readonly Observer[], failed: (thrown: unknown) => void): Observer {
  return {
    arrived(arrival, route) {
      const watches: Watch[] = [];
      const each = (tell: (watch: Watch) => void): void => {
        for (const watch of [...watches]) {
          try {
            tell(watch);
          } catch (thrown) {
            watches.splice(watches.indexOf(watch), 1);
            failed(thrown);
          }
        }
      };
      for (const observer of observers) {
        try {
          watches.push(observer.arrived(arrival, route));
        } catch (thrown) {
          failed(thrown);
        }
      }
      return {
        undertaken: (answer) => each((watch) => watch.undertaken(answer)),
        policy(policy) {
          let watched = policy;
          each((watch) => (watched = watch.policy(watched)));
          return watched;
        },
        tool: (call, observation) => each((watch) => watch.tool(call, observation)),
        ended: (ending, fault, firstToken) => each((watch) => watch.ended(ending, fault, firstToken)),
        closed: (status, delivered) => each((watch) => watch.closed(status, delivered)),
      };
    },
  };
}
