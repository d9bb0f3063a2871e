/** Where telemetry goes: to the addresses it was given, and a collector that fails harms nobody. */
import { describe, expect, it } from 'vitest';

import { inTurn } from '../fakes/engine.js';
import { until } from '../fakes/gateway.js';
import { ANSWER, ASK, telemetryBench } from './fixture.js';

const bench = telemetryBench();
const { start, sent } = bench;

describe('the collector', () => {
  it('gets only what was given an address', async () => {
    await start(
      { script: inTurn(ANSWER) },
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: '',
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${bench.collector.url}/v1/traces`,
        OTEL_SERVICE_NAME: 'mine',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=lab',
      },
    );
    await bench.gateway.client.chat.completions.create(ASK);
    await sent();
    expect(bench.collector.paths).toEqual(['/v1/traces']);
    expect(bench.collector.resources[0]).toMatchObject({
      'service.name': 'mine',
      'deployment.environment.name': 'lab',
    });
  });

  it('that fails is complained of once, and no answer hears of it', async () => {
    bench.collector.answer = (outgoing) => void outgoing.writeHead(400).end('no');
    await start({ script: inTurn(ANSWER) }, { OTEL_BSP_SCHEDULE_DELAY: '1', OTEL_METRICS_EXPORTER: 'none' });
    for (let time = 1; time <= 3; time += 1) {
      expect((await bench.gateway.post(ASK)).status).toBe(200);
      await until(() => bench.collector.paths.length >= time, 'an export');
    }
    await until(() => bench.warnings.length > 0, 'a complaint');
    expect(bench.warnings).toEqual(['OpenTelemetry: Bad Request']);
    await sent();
  });

  it('that never answers holds the end up no longer than the bound', async () => {
    bench.collector.answer = () => undefined;
    await start({ script: inTurn(ANSWER) }, { OTEL_METRICS_EXPORTER: 'none' });
    await bench.gateway.client.chat.completions.create(ASK);
    await sent();
    expect(bench.warnings).toEqual(['the last telemetry could not be sent: not within 0.3 s']);
  });
});
