/**
 * The `OTEL_*` variables, checked. Of a wrong one the SDK only warns and takes a default; here it stops the start,
 * since whoever set it would look for telemetry in vain.
 */
import { accessSync, constants } from 'node:fs';

import { operatorError, quoted } from '../core/errors.js';

export type Env = Readonly<Record<string, string | undefined>>;

/** Undefined when the value is fine, else what it must be. */
type Check = (value: string) => string | undefined;

const oneOf =
  (...words: readonly string[]): Check =>
  (value) =>
    words.includes(value) ? undefined : `one of ${words.join(', ')}`;
const listOf =
  (...words: readonly string[]): Check =>
  (value) =>
    value.split(',').every((word) => words.includes(word.trim())) ? undefined : `a list of ${words.join(', ')}`;
const truth: Check = (value) => (/^(true|false)$/i.test(value) ? undefined : 'true or false');
const positive: Check = (value) =>
  Number(value) > 0 && Number.isInteger(Number(value)) ? undefined : 'a whole number above 0';
const count: Check = (value) => (/^\d+$/.test(value) ? undefined : 'a whole number');
const address: Check = (value) =>
  URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)
    ? undefined
    : 'an address like http://127.0.0.1:4318';
const pairs: Check = (value) =>
  value.split(',').every((pair) => /^[^=]*[^=\s][^=]*=/.test(pair) && isEncoded(pair))
    ? undefined
    : 'a list of key=value, values percent-encoded';
const file: Check = (value) => {
  try {
    accessSync(value, constants.R_OK);
    return undefined;
  } catch {
    return 'a file that can be read';
  }
};

/** What an exporter of one signal is told; the general variable has no signal in its name. */
const EXPORTER: Readonly<Record<string, Check>> = {
  ENDPOINT: address,
  PROTOCOL: oneOf('http/protobuf', 'http/json', 'grpc'),
  HEADERS: pairs,
  TIMEOUT: positive,
  COMPRESSION: oneOf('none', 'gzip'),
  INSECURE: truth,
  CERTIFICATE: file,
  CLIENT_CERTIFICATE: file,
  CLIENT_KEY: file,
};

const CHECKS: Readonly<Record<string, Check>> = {
  ...Object.fromEntries(
    ['', 'TRACES_', 'METRICS_'].flatMap((signal) =>
      Object.entries(EXPORTER).map(([what, check]) => [`OTEL_EXPORTER_OTLP_${signal}${what}`, check]),
    ),
  ),
  OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: (value) =>
    oneOf('cumulative', 'delta', 'lowmemory')(value.toLowerCase()),
  OTEL_SDK_DISABLED: truth,
  OTEL_RESOURCE_ATTRIBUTES: pairs,
  OTEL_TRACES_SAMPLER: oneOf(
    'always_on',
    'always_off',
    'traceidratio',
    'parentbased_always_on',
    'parentbased_always_off',
    'parentbased_traceidratio',
  ),
  OTEL_PROPAGATORS: listOf('tracecontext', 'baggage', 'b3', 'b3multi', 'jaeger', 'none'),
  // No `console`: others read the two lines on standard output. No `prometheus`: `GET /metrics` is there already.
  OTEL_TRACES_EXPORTER: oneOf('otlp', 'none'),
  OTEL_METRICS_EXPORTER: oneOf('otlp', 'none'),
  OTEL_LOG_LEVEL: (value) => oneOf('none', 'error', 'warn', 'info', 'debug', 'verbose', 'all')(value.toLowerCase()),
  OTEL_METRIC_EXPORT_INTERVAL: positive,
  OTEL_METRIC_EXPORT_TIMEOUT: positive,
  OTEL_BSP_SCHEDULE_DELAY: positive,
  OTEL_BSP_EXPORT_TIMEOUT: positive,
  OTEL_BSP_MAX_QUEUE_SIZE: positive,
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: positive,
  OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: count,
  OTEL_ATTRIBUTE_COUNT_LIMIT: count,
  OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: count,
  OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: count,
  OTEL_SPAN_EVENT_COUNT_LIMIT: count,
  OTEL_SPAN_LINK_COUNT_LIMIT: count,
  OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: truth,
};

export interface Settings {
  readonly traces: boolean;
  readonly metrics: boolean;
  /** Whether spans carry the content of messages. */
  readonly content: boolean;
}

/** A variable's value; an empty one is the same as none. */
export function valueOf(env: Env, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === '' ? undefined : value;
}

/** Throws an operator error that names the first variable that is wrong. */
export function readVariables(env: Env): Settings {
  for (const [name, check] of Object.entries(CHECKS)) {
    const value = valueOf(env, name);
    const wanted = value === undefined ? undefined : check(value);
    if (wanted === undefined) continue;
    // Headers hold the collector's credentials, and so may an address.
    const shown = /HEADERS$/.test(name) ? 'not well formed' : quoted(value?.replace(/\/\/[^/@]*@/, '//...@'));
    throw operatorError(`the environment variable ${name} is ${shown}; it must be ${wanted}, or unset`);
  }
  const ratio = valueOf(env, 'OTEL_TRACES_SAMPLER_ARG');
  if (
    ratio !== undefined &&
    valueOf(env, 'OTEL_TRACES_SAMPLER')?.endsWith('traceidratio') === true &&
    !(Number(ratio) >= 0 && Number(ratio) <= 1)
  ) {
    throw operatorError(
      `the environment variable OTEL_TRACES_SAMPLER_ARG is ${quoted(ratio)}; it must be a share from 0 to 1, or unset`,
    );
  }
  const [queue, batch] = [
    Number(valueOf(env, 'OTEL_BSP_MAX_QUEUE_SIZE') ?? 2048),
    Number(valueOf(env, 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE') ?? 512),
  ];
  if (batch > queue)
    throw operatorError(
      `the environment variable OTEL_BSP_MAX_EXPORT_BATCH_SIZE is ${batch}; it must be at ` +
        `most OTEL_BSP_MAX_QUEUE_SIZE (${queue})`,
    );
  // The SDK sends a signal without an address to a default one: only what was given an address is sent.
  const sent = (signal: string): boolean =>
    valueOf(env, `OTEL_${signal}_EXPORTER`) !== 'none' &&
    (valueOf(env, 'OTEL_EXPORTER_OTLP_ENDPOINT') ?? valueOf(env, `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`)) !==
      undefined;
  return {
    traces: sent('TRACES'),
    metrics: sent('METRICS'),
    content: valueOf(env, 'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT')?.toLowerCase() === 'true',
  };
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
