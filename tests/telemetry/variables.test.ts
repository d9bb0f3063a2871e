/** The variables of OpenTelemetry: what is taken, and the sentence a wrong one gets. */
import { describe, expect, it } from 'vitest';

import { readVariables } from '../../src/telemetry/variables.js';

const HERE = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };

describe('variables', () => {
  it('that are right are taken', () => {
    expect(
      readVariables({
        ...HERE,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic%20abc==,x-tenant=1',
        OTEL_EXPORTER_OTLP_TIMEOUT: '500',
        OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
        OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
        OTEL_TRACES_SAMPLER_ARG: '0.25',
        OTEL_RESOURCE_ATTRIBUTES: 'a.b=c,d=e%2Cf',
        OTEL_SERVICE_NAME: 'any name',
        OTEL_PROPAGATORS: 'tracecontext, b3',
        OTEL_SDK_DISABLED: 'False',
        OTEL_BSP_SCHEDULE_DELAY: '100',
        OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: '0',
        OTEL_LOG_LEVEL: 'DEBUG',
        OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'TRUE',
      }),
    ).toEqual({ traces: true, metrics: true, content: true });
  });

  it('that are empty are not there', () => {
    expect(readVariables({ ...HERE, OTEL_TRACES_SAMPLER: '', OTEL_EXPORTER_OTLP_TIMEOUT: ' ' })).toEqual({
      traces: true,
      metrics: true,
      content: false,
    });
  });

  it('say which signals are sent', () => {
    expect(readVariables({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://collector/v1/metrics' })).toEqual({
      traces: false,
      metrics: true,
      content: false,
    });
    expect(readVariables({ ...HERE, OTEL_TRACES_EXPORTER: 'none' })).toEqual({
      traces: false,
      metrics: true,
      content: false,
    });
  });

  it.each<[string, string, string]>([
    [
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'collector:4318',
      'is "collector:4318"; it must be an address like http://127.0.0.1:4318, or unset',
    ],
    ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'ftp://me:secret@host', 'is "ftp://...@host"; it must be an address'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'http', 'is "http"; it must be one of http/protobuf, http/json, grpc'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'secretkey', 'is not well formed; it must be a list of key=value'],
    ['OTEL_EXPORTER_OTLP_METRICS_TIMEOUT', '0', 'is "0"; it must be a whole number above 0'],
    ['OTEL_EXPORTER_OTLP_COMPRESSION', 'zstd', 'is "zstd"; it must be one of none, gzip'],
    ['OTEL_EXPORTER_OTLP_CERTIFICATE', 'no/such/file.pem', 'it must be a file that can be read'],
    ['OTEL_TRACES_SAMPLER', 'sometimes', 'is "sometimes"; it must be one of always_on,'],
    ['OTEL_TRACES_EXPORTER', 'console', 'it must be one of otlp, none'],
    ['OTEL_METRICS_EXPORTER', 'prometheus', 'it must be one of otlp, none'],
    ['OTEL_PROPAGATORS', 'tracecontext,xray', 'it must be a list of tracecontext,'],
    ['OTEL_RESOURCE_ATTRIBUTES', 'a', 'it must be a list of key=value'],
    ['OTEL_RESOURCE_ATTRIBUTES', 'a=%zz', 'values percent-encoded'],
    ['OTEL_SDK_DISABLED', 'yes', 'it must be true or false'],
    ['OTEL_LOG_LEVEL', 'loud', 'it must be one of none,'],
    ['OTEL_BSP_MAX_EXPORT_BATCH_SIZE', '4096', 'it must be at most OTEL_BSP_MAX_QUEUE_SIZE (2048)'],
    ['OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT', '-1', 'it must be a whole number, or unset'],
    ['OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT', '1', 'it must be true or false'],
  ])('%s of "%s" is refused in a sentence', (name, value, sentence) => {
    const refusing = (): unknown => readVariables({ ...HERE, [name]: value });
    expect(refusing).toThrow(`the environment variable ${name} is `);
    expect(refusing).toThrow(sentence);
    expect(refusing).not.toThrow(/secret/);
  });

  it('a share outside 0 to 1 is refused where it counts', () => {
    expect(() => readVariables({ ...HERE, OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '2' })).toThrow(
      'the environment variable OTEL_TRACES_SAMPLER_ARG is "2"; it must be a share from 0 to 1',
    );
    expect(readVariables({ ...HERE, OTEL_TRACES_SAMPLER: 'always_on', OTEL_TRACES_SAMPLER_ARG: 'x' }).traces).toBe(
      true,
    );
  });
});
