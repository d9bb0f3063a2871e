/** A gateway whose spans and metrics go to a real OTLP collector, made anew for every test of the file that asks. */
import { afterEach, beforeEach, vi } from 'vitest';

import { redactorOf } from '../../src/core/text/redact.js';
import { openTelemetry, type Telemetry } from '../../src/telemetry/open.js';
import { startCollector, type Collector, type Point, type Span } from '../fakes/collector.js';
import { startGateway, type Gateway, type GatewayOptions } from '../fakes/gateway.js';

export interface Bench {
  readonly collector: Collector;
  readonly gateway: Gateway;
  readonly warnings: string[];
  /** Starts the gateway. `variables` go over those that send everything to the collector as JSON. */
  start(
    options?: GatewayOptions,
    variables?: Readonly<Record<string, string>>,
    redact?: readonly string[],
  ): Promise<Gateway>;
  /** Everything there is has reached the collector afterwards. */
  sent(): Promise<void>;
  /** The first span of this name. Throws where there is none. */
  span(name: string): Span;
  points(name: string): Point[];
}

export const CAPTURE = { OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'true' };
export const ASK = { model: 'gyre', messages: [{ role: 'user' as const, content: 'how much?' }] };
export const CALL = {
  calls: [{ id: 'call-7', name: 'calculator', arguments: '{"expression":"17+4"}' }],
  usage: { prompt: 20, completion: 9, cached: 16 },
};
export const ANSWER = { text: 'It is twenty one.', usage: { prompt: 40, completion: 5, reasoning: 2 } };

export function telemetryBench(): Bench {
  let collector: Collector;
  let gateway: Gateway | undefined;
  let telemetry: Telemetry | undefined;
  const warnings: string[] = [];
  const bench: Bench = {
    get collector() {
      return collector;
    },
    get gateway() {
      if (gateway === undefined) throw new Error('start the gateway first');
      return gateway;
    },
    warnings,
    async start(options = {}, variables = {}, redact = []) {
      const env = {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        ...variables,
      };
      for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
      telemetry = openTelemetry({
        env,
        version: '1.2.3',
        provider: 'vllm',
        redactor: redactorOf(redact),
        warn: (text) => warnings.push(text),
        flushMs: 300,
      });
      return (gateway = await startGateway({ ...options, deps: { observer: telemetry.observer, ...options.deps } }));
    },
    async sent() {
      await telemetry?.close();
      telemetry = undefined;
    },
    span(name) {
      const found = collector.spans.find((each) => each.name === name);
      if (found === undefined)
        throw new Error(`no span "${name}" among: ${collector.spans.map((each) => each.name).join(', ')}`);
      return found;
    },
    points: (name) => collector.points.filter((point) => point.name === name),
  };
  beforeEach(async () => {
    collector = await startCollector();
    warnings.length = 0;
  });
  afterEach(async () => {
    await gateway?.close();
    gateway = undefined;
    await bench.sent();
    await collector.close();
    vi.unstubAllEnvs();
  });
  return bench;
}
