/**
 * The load of the gateway benchmark: so many connections that each ask again once they are answered, over bare
 * sockets. A load tool that works as hard as the gateway would be measured with it: on two cores they share them.
 */
import { createConnection, type Socket } from 'node:net';

export interface LoadOptions {
  readonly url: string;
  readonly path: string;
  /** `[<id>]` in it is another text in every request. */
  readonly body: string;
  readonly connections: number;
  readonly seconds: number;
  /** Requests a second over all connections, where they do not simply ask again at once. */
  readonly perSecond?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface LoadResult {
  readonly seconds: number;
  readonly successes: number;
  /** Answers of another status than 200, and connections that broke. */
  readonly errors: number;
  /** Milliseconds of a whole answer, and until its first byte. */
  readonly p50: number;
  readonly p99: number;
  readonly firstP50: number;
  readonly firstP99: number;
}

const ID = '[<id>]';
const LAST = '0\r\n\r\n';

export async function load(options: LoadOptions): Promise<LoadResult> {
  const whole: number[] = [];
  const first: number[] = [];
  let refused = 0;
  let broken = 0;
  let number = 0;
  const { hostname, port } = new URL(options.url);
  const head = Object.entries({ host: `${hostname}:${port}`, 'content-type': 'application/json', ...options.headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  const began = performance.now();
  const ends = began + options.seconds * 1000;
  const request = (): string => {
    number += 1;
    const body = options.body.replace(ID, `[${number.toString(36).padStart(8, '0')}]`);
    return `POST ${options.path} HTTP/1.1\r\n${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  };

  await Promise.all(
    Array.from(
      { length: options.connections },
      () =>
        new Promise<void>((resolve) => {
          let socket: Socket;
          const connect = (): void => {
            socket = createConnection({ host: hostname, port: Number(port), noDelay: true });
            const answer = new Answer();
            let asked = 0;
            const ask = (): void => {
              asked = performance.now();
              answer.begin();
              socket.write(request());
            };
            socket.on('connect', ask);
            socket.on('data', (bytes: Buffer) => {
              const now = performance.now();
              if (answer.empty) first.push(now - asked);
              if (!answer.push(bytes)) return;
              whole.push(now - asked);
              if (answer.status !== 200) refused += 1;
              if (now >= ends) socket.destroy();
              else if (options.perSecond === undefined) ask();
              else setTimeout(ask, Math.max(0, asked + (1000 * options.connections) / options.perSecond - now));
            });
            socket.on('error', () => undefined);
            socket.on('close', () => {
              answer.begin();
              if (performance.now() >= ends) return resolve();
              broken += 1;
              connect();
            });
          };
          connect();
        }),
    ),
  );
  const seconds = (performance.now() - began) / 1000;
  const rank = (times: number[], share: number): number =>
    times.sort((a, b) => a - b)[Math.floor(times.length * share)] ?? Number.NaN;
  return {
    seconds,
    successes: whole.length - refused,
    errors: refused + broken,
    p50: rank(whole, 0.5),
    p99: rank(whole, 0.99),
    firstP50: rank(first, 0.5),
    firstP99: rank(first, 0.99),
  };
}

/** Knows when an answer is whole: by its length, or by the last chunk of the transfer coding. */
class Answer {
  #bytes: Buffer[] = [];
  #missing: number | undefined;
  #tail = '';
  status = 0;

  get empty(): boolean {
    return this.status === 0 && this.#bytes.length === 0;
  }

  begin(): void {
    this.#bytes = [];
    this.#missing = undefined;
    this.#tail = '';
    this.status = 0;
  }

  push(bytes: Buffer): boolean {
    if (this.status === 0) {
      this.#bytes.push(bytes);
      const known = this.#bytes.length === 1 ? bytes : Buffer.concat(this.#bytes);
      const end = known.indexOf('\r\n\r\n');
      if (end < 0) return false;
      const head = known.toString('latin1', 0, end);
      this.status = Number(head.slice(9, 12));
      const length = /content-length: *(\d+)/i.exec(head)?.[1];
      if (length !== undefined) this.#missing = Number(length) - (known.length - end - 4);
    } else if (this.#missing !== undefined) this.#missing -= bytes.length;
    if (this.#missing !== undefined) return this.#missing <= 0;
    // No engine or gateway measured here sends data that ends like this.
    this.#tail = (this.#tail + bytes.toString('latin1', Math.max(0, bytes.length - LAST.length))).slice(-LAST.length);
    return this.#tail === LAST;
  }
}

if (process.send !== undefined) {
  const result = await load(JSON.parse(process.argv[2] ?? '{}') as LoadOptions);
  process.send(result, () => process.disconnect());
}
