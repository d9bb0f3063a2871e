/**
 * The observers of a gateway's requests: telemetry where it has an address to send to, request lines where the log
 * level asks for them, otherwise none.
 */
import type { Config } from '../core/config.js';
import { reasonOf } from '../core/errors.js';
import type { Observer, Watch } from '../core/observe.js';
import { redactorOf } from '../core/text/redact.js';
import type { Env } from './lines/fields.js';
import { VERSION } from './machine.js';
import type { Output } from './lines/output.js';

export interface Observing {
  /** Absent where there is none: a request then costs nothing more. */
  readonly observer?: Observer | undefined;
  readonly telemetry: boolean;
  /** Sends what is left, within a bound. Idempotent. */
  close(): Promise<void>;
}

/** Variables of the OpenTelemetry specification; any of them turns telemetry on. */
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

/** All observers as one. One that throws is reported once, left out for the rest of the request, and never fails it. */
export function guarded(observers: readonly Observer[], failed: (thrown: unknown) => void): Observer {
  return {
    arrived(arrival, route) {
      const watches: Watch[] = [];
      const each = (notify: (watch: Watch) => void): void => {
        for (const watch of [...watches]) {
          try {
            notify(watch);
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
        accepted: (request) => each((watch) => watch.accepted(request)),
        policy(policy) {
          let watched = policy;
          each((watch) => (watched = watch.policy(watched)));
          return watched;
        },
        tool: (call, observation) => each((watch) => watch.tool(call, observation)),
        refused: (fault) => each((watch) => watch.refused?.(fault)),
        ended: (ending, fault, firstToken) => each((watch) => watch.ended(ending, fault, firstToken)),
        closed: (status, delivered) => each((watch) => watch.closed(status, delivered)),
      };
    },
  };
}
