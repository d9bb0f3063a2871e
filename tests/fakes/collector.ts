/** A collector that speaks OTLP over HTTP as JSON: it keeps what it is sent, as it was sent and unfolded. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

type Value = string | number | boolean | readonly Value[];

export interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number;
  /** 0 unset, 2 error. */
  readonly status: number;
  readonly message: string | undefined;
  readonly start: bigint;
  readonly end: bigint;
  readonly events: readonly unknown[];
  readonly attributes: Readonly<Record<string, Value>>;
}

export interface Point {
  readonly name: string;
  readonly unit: string;
  readonly kind: 'histogram' | 'counter';
  /** 0 for a counter. */
  readonly count: number;
  readonly sum: number;
  readonly bounds: readonly number[];
  readonly attributes: Readonly<Record<string, Value>>;
}

export interface Collector {
  readonly url: string;
  readonly spans: Span[];
  /** Of every export; the last of a series is its newest. */
  readonly points: Point[];
  readonly resources: Readonly<Record<string, Value>>[];
  /** Everything as it came. */
  readonly bodies: string[];
  readonly paths: string[];
  /** How it answers; by default with success. */
  answer: (outgoing: ServerResponse) => void;
  close(): Promise<void>;
}

interface Attribute {
  readonly key: string;
  readonly value: WireValue;
}
interface WireValue {
  readonly stringValue?: string;
  readonly intValue?: number | string;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
  readonly arrayValue?: { readonly values?: readonly WireValue[] };
}
interface WireSpan extends Omit<
  Span,
  'parentSpanId' | 'status' | 'message' | 'start' | 'end' | 'events' | 'attributes'
> {
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status?: { readonly code?: number; readonly message?: string };
  readonly events?: readonly unknown[];
  readonly attributes?: readonly Attribute[];
}
interface Body {
  readonly resourceSpans?: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[];
  }[];
  readonly resourceMetrics?: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeMetrics: readonly {
      readonly metrics: readonly {
        readonly name: string;
        readonly unit: string;
        readonly sum?: {
          readonly dataPoints: readonly {
            readonly asInt?: number | string;
            readonly asDouble?: number;
            readonly attributes: readonly Attribute[];
          }[];
        };
        readonly histogram?: {
          readonly dataPoints: readonly {
            readonly count: number | string;
            readonly sum: number;
            readonly explicitBounds: readonly number[];
            readonly attributes: readonly Attribute[];
          }[];
        };
      }[];
    }[];
  }[];
}

export async function startCollector(): Promise<Collector> {
  const collector = {
    url: '',
    spans: [] as Span[],
    points: [] as Point[],
    resources: [] as Record<string, Value>[],
    bodies: [] as string[],
    paths: [] as string[],
    answer: ok,
    close: (): Promise<void> => Promise.resolve(),
  };
  const server = createServer((incoming, outgoing) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      const bytes = Buffer.concat(parts);
      const text = (incoming.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString('utf8');
      collector.paths.push(incoming.url ?? '');
      collector.bodies.push(text);
      if (incoming.headers['content-type'] === 'application/json') take(JSON.parse(text) as Body);
      collector.answer(outgoing);
    });
  });
  const take = ({ resourceSpans = [], resourceMetrics = [] }: Body): void => {
    for (const { resource } of [...resourceSpans, ...resourceMetrics])
      collector.resources.push(record(resource.attributes));
    for (const span of resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))) {
      collector.spans.push({
        name: span.name,
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? '',
        kind: span.kind,
        status: span.status?.code ?? 0,
        message: span.status?.message,
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
        events: span.events ?? [],
        attributes: record(span.attributes ?? []),
      });
    }
    for (const { name, unit, histogram, sum } of resourceMetrics.flatMap(({ scopeMetrics }) =>
      scopeMetrics.flatMap(({ metrics }) => metrics),
    )) {
      for (const { asInt, asDouble, attributes } of sum?.dataPoints ?? [])
        collector.points.push({
          name,
          unit,
          kind: 'counter',
          count: 0,
          sum: Number(asInt ?? asDouble),
          bounds: [],
          attributes: record(attributes),
        });
      for (const point of histogram?.dataPoints ?? [])
        collector.points.push({
          name,
          unit,
          kind: 'histogram',
          count: Number(point.count),
          sum: point.sum,
          bounds: point.explicitBounds,
          attributes: record(point.attributes),
        });
    }
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  collector.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  collector.close = async () => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return collector;
}

function ok(outgoing: ServerResponse): void {
  outgoing.writeHead(200, { 'content-type': 'application/json' }).end('{}');
}

function record(attributes: readonly Attribute[]): Record<string, Value> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]));
}

function plain(value: WireValue): Value {
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(plain);
  if (value.intValue !== undefined) return Number(value.intValue);
  return value.stringValue ?? value.doubleValue ?? value.boolValue ?? '';
}
