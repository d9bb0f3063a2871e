/** Gateways with upstreams: other people's models by name, each behind a scripted server. */
import { startEngine, type Engine, type Reply, type Script } from './engine.js';
import { startGateway, type Gateway, type GatewayOptions } from './gateway.js';

export const KEY = 'sk-of-the-upstream';
export const opened: { close(): Promise<void> }[] = [];
/** What the tests of one file have opened, newest first. */
export async function closeOpened(): Promise<void> {
  for (const each of opened.splice(0).reverse()) await each.close();
}

export async function server(script: Script, models: readonly string[]): Promise<Engine> {
  const engine = await startEngine({ script, models });
  opened.push(engine);
  return engine;
}

export async function start(upstreams: readonly unknown[], options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = await startGateway({ ...options, config: { upstreams, ...options.config } });
  opened.push(gateway);
  return gateway;
}

/** A gateway with one upstream that has two models. */
export async function both(
  script: Script,
  options: GatewayOptions = {},
): Promise<{ readonly gateway: Gateway; readonly upstream: Engine }> {
  const upstream = await server(script, ['big', 'vendor/small']);
  return {
    upstream,
    gateway: await start([{ url: upstream.url, models: ['big', 'vendor/small'], api_key: KEY }], options),
  };
}

export const ASK = { model: 'big', messages: [{ role: 'user' as const, content: 'hi' }] };
export const call = (expression: string): Reply => ({
  calls: [{ name: 'calculator', arguments: JSON.stringify({ expression }) }],
});

interface Refusal {
  readonly error: {
    readonly message: string;
    readonly code: string;
    readonly type: string;
    readonly param: string | null;
  };
}
export async function refused(
  gateway: Gateway,
  body: unknown = ASK,
): Promise<
  Refusal['error'] & { readonly status: number; readonly retry: string | null; readonly after: string | null }
> {
  const response = await gateway.post(body);
  return {
    status: response.status,
    retry: response.headers.get('x-should-retry'),
    after: response.headers.get('retry-after'),
    ...((await response.json()) as Refusal).error,
  };
}
