/** Requests of the Responses API as bytes, for what a client's types would not let it send. */
import { inTurn, type Reply } from '../../fakes/engine.js';
import { startGateway, type Gateway, type GatewayOptions } from '../../fakes/gateway.js';

type Json = Readonly<Record<string, unknown>>;

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json & {
    readonly output: readonly Json[];
    readonly error: { readonly message: string; readonly param: string | null } | null;
  };
}

export interface Asking {
  readonly gateway: Gateway;
  /** A whole answer. */
  ask(body: Json): Promise<Answer>;
  /** The events of a streamed one. */
  events(body: Json): Promise<Json[]>;
  /** What the engine was sent, by the number of the request. */
  sent(at?: number): Gateway['engine']['requests'][number]['body'];
}

export async function startAsking(replies: readonly Reply[], options: GatewayOptions = {}): Promise<Asking> {
  const gateway = await startGateway({ script: inTurn(...replies), ...options });
  const post = async (body: Json): Promise<Response> =>
    fetch(`${gateway.url}/v1/responses`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gyre', input: 'q', ...body }),
    });
  return {
    gateway,
    async ask(body) {
      const response = await post(body);
      return { status: response.status, headers: response.headers, body: (await response.json()) as Answer['body'] };
    },
    async events(body) {
      const text = await (await post({ ...body, stream: true })).text();
      return text
        .split('\n')
        .filter((line) => line.startsWith('data: '))
        .map((line) => JSON.parse(line.slice('data: '.length)) as Json);
    },
    sent(at = gateway.engine.requests.length - 1) {
      const request = gateway.engine.requests[at];
      if (request === undefined) throw new Error(`the engine had no request ${at}`);
      return request.body;
    },
  };
}
