/**
 * Asks `/health` again and again from a thread of its own, and says how long each answer took: whoever attacks is busy,
 * and would measure itself.
 */
import { createConnection } from 'node:net';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const EVERY_MS = 25;
const REQUEST = 'GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n';

/** Milliseconds since the last time it was asked. */
interface Probed {
  readonly count: number;
  readonly p99: number;
  readonly max: number;
  /** Answers of another status than 200, and connections that broke. */
  readonly failures: number;
}

export interface Probe {
  read(): Promise<Probed>;
  stop(): Promise<unknown>;
}

export function startProbe(url: string): Probe {
  const worker = new Worker(new URL(import.meta.url), { workerData: { url } });
  return {
    read: () =>
      new Promise((resolve) => {
        worker.once('message', resolve);
        worker.postMessage('read');
      }),
    stop: () => worker.terminate(),
  };
}

if (!isMainThread) {
  const { hostname, port } = new URL((workerData as { url: string }).url);
  let taken: number[] = [];
  let failures = 0;
  parentPort?.on('message', () => {
    const sorted = taken.sort((a, b) => a - b);
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    parentPort?.postMessage({ count: sorted.length, p99: at(0.99), max: at(1), failures } satisfies Probed);
    taken = [];
    failures = 0;
  });
  for (;;) await asked(hostname, Number(port));

  async function asked(host: string, to: number): Promise<void> {
    const socket = createConnection({ host, port: to, noDelay: true });
    let broken = false;
    const over = new Promise<void>((resolve) => socket.on('close', resolve));
    socket.on('error', () => undefined);
    while (!broken) {
      const began = performance.now();
      socket.write(REQUEST);
      const text = await new Promise<string>((resolve) => {
        let said = '';
        const more = (bytes: Buffer): void => {
          said += bytes.toString('latin1');
          if (!said.includes('}}')) return;
          socket.off('data', more);
          resolve(said);
        };
        socket.on('data', more);
        void over.then(() => resolve(''));
      });
      broken = !text.startsWith('HTTP/1.1 200');
      if (broken) failures += 1;
      else taken.push(performance.now() - began);
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
    socket.destroy();
  }
}
