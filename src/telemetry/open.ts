/**
 * OpenTelemetry, set up by its standard variables and sent over OTLP. Only imported where an address to send to
 * is set: the SDK is larger than the rest of the gateway.
 */
import {
  context,
  diag,
  DiagLogLevel,
  metrics,
  propagation,
  ROOT_CONTEXT,
  trace,
  type ContextManager,
} from '@opentelemetry/api';
import { core, NodeSDK, resources } from '@opentelemetry/sdk-node';

import { reasonOf } from '../core/errors.js';
import type { Observer } from '../core/observe.js';
import type { Redactor } from '../core/text/redact.js';
import { CapturedContent } from './content.js';
import { instruments } from './instruments.js';
import { tracing } from './spans.js';
import { readVariables, valueOf, type Env } from './variables.js';

export interface TelemetryOptions {
  /** What the SDK reads for itself, too. */
  readonly env: Env;
  /** The gateway's own version. */
  readonly version: string;
  /** The kind of engine, e.g. `vllm`. */
  readonly provider: string;
  /** Absent where there is nothing to redact. */
  readonly redactor?: Redactor | undefined;
  readonly warn: (text: string) => void;
  /** How long what is left may take to be sent at the end. */
  readonly flushMs?: number | undefined;
}

export interface Telemetry {
  readonly observer: Observer;
  /** Sends what is left, within a bound. */
  close(): Promise<void>;
}

const FLUSH_MS = 5_000;
/** A collector that is away makes the SDK complain every few seconds. */
const WARN_EVERY_MS = 60_000;

/** Nothing here asks which span is current, and the SDK's way to know it slows every promise of the process. */
const NO_CURRENT: ContextManager = {
  active: () => ROOT_CONTEXT,
  with: (_context, run, self, ...args) => run.call(self as ThisParameterType<typeof run>, ...args),
  bind: (_context, target) => target,
  enable: () => NO_CURRENT,
  disable: () => NO_CURRENT,
};

/** Throws an operator error when a variable is wrong. */
export function openTelemetry({
  env,
  version,
  provider,
  redactor,
  warn,
  flushMs = FLUSH_MS,
}: TelemetryOptions): Telemetry {
  const wanted = readVariables(env);
  const own = resources.resourceFromAttributes({ 'service.name': 'gyre', 'service.version': version });
  const sdk = new NodeSDK({
    contextManager: NO_CURRENT,
    resource: resources.defaultResource().merge(own),
    // The SDK's other detectors export the command line and the user's name.
    ...(valueOf(env, 'OTEL_NODE_RESOURCE_DETECTORS') === undefined
      ? { resourceDetectors: [resources.envDetector] }
      : {}),
    ...(wanted.traces ? {} : { spanProcessors: [] }),
    ...(wanted.metrics ? {} : { metricReaders: [] }),
    logRecordProcessors: [],
  });
  // After the SDK's constructor: left alone, it complains on standard output or not at all.
  diag.setLogger(sdkWarnings(warn), {
    logLevel: core.diagLogLevelFromString(valueOf(env, 'OTEL_LOG_LEVEL') ?? 'warn') ?? DiagLogLevel.WARN,
    suppressOverrideMessage: true,
  });
  sdk.start();
  const observer = tracing({
    tracer: trace.getTracer('gyre', version),
    instruments: instruments(metrics.getMeter('gyre', version)),
    provider,
    redactor,
    content: wanted.content ? new CapturedContent(redactor) : undefined,
  });
  return {
    observer,
    async close() {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<string>(
        (resolve) => (timer = setTimeout(() => resolve(`not within ${flushMs / 1000} s`), flushMs)),
      );
      const lost = await Promise.race([sdk.shutdown().then(() => undefined, reasonOf), late]);
      clearTimeout(timer);
      if (lost !== undefined) warn(`the last telemetry could not be sent: ${lost}`);
      for (const global of [trace, metrics, propagation, context, diag]) global.disable();
    },
  };
}

/** The SDK's own complaints as warnings, one a minute at most; each says how many were left out before it. */
function sdkWarnings(warn: (text: string) => void): Parameters<typeof diag.setLogger>[0] {
  let quietUntil = 0;
  let suppressed = 0;
  const say = (message: string): void => {
    if (Date.now() < quietUntil) {
      suppressed += 1;
      return;
    }
    quietUntil = Date.now() + WARN_EVERY_MS;
    warn(`OpenTelemetry: ${messageOf(message)}${suppressed === 0 ? '' : ` (and ${suppressed} more before it)`}`);
    suppressed = 0;
  };
  return { error: say, warn: say, info: say, debug: say, verbose: say };
}

/** The SDK tells an error as JSON of all its properties, the stack among them. */
function messageOf(text: string): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    return typeof message === 'string' ? message : text;
  } catch {
    return text;
  }
}
