/** A trainer that speaks the contract about judges and trains none: what it is sent it keeps, and loads at once. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { TrainingLabels } from '../../../src/train/judges.js';

export interface FakeJudgeTrainer {
  readonly url: string;
  /** Distinct versions that were sent. */
  readonly sent: TrainingLabels[];
  readonly calls: string[];
  /** While true a judge is being trained, as far as anyone hears. */
  slow: boolean;
  fate: 'done' | 'failed' | 'unlike';
  /** While true nobody answers. */
  away: boolean;
  /** Loses what it knows of versions. */
  forget(): void;
  close(): Promise<void>;
}

export async function startJudgeTrainer(engine: { readonly adapters: Set<string> }): Promise<FakeJudgeTrainer> {
  const made = new Map<string, TrainingLabels>();
  const trainer = {
    url: '',
    sent: [] as TrainingLabels[],
    calls: [] as string[],
    slow: false,
    fate: 'done' as FakeJudgeTrainer['fate'],
    away: false,
    forget: (): void => made.clear(),
    close: (): Promise<void> =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  const view = (name: string, labels: TrainingLabels): unknown => {
    const head = { name, labels_hash: labels.labels_hash };
    if (trainer.slow) return { ...head, state: 'training', progress: 0.4 };
    if (trainer.fate === 'failed')
      return { ...head, state: 'failed', error: { code: 'non_finite', message: 'the loss is no number' } };
    engine.adapters.add(name);
    const parity = {
      mean_abs: trainer.fate === 'unlike' ? 3 : 0.001,
      n: 16,
      tolerance: 0.01,
      passed: trainer.fate === 'done',
    };
    const report = { calibration: { scale: 1, bias: 0, fitted: true }, test: { auc: 0.9 } };
    return { ...head, state: 'done', progress: 1, result: { path: '/j', adapter: `sha256:${name}`, report, parity } };
  };
  const server = createServer((incoming, outgoing) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      if (trainer.away) return void incoming.socket.destroy();
      const route = `${incoming.method ?? ''} ${incoming.url ?? ''}`;
      trainer.calls.push(route);
      const json = (status: number, body: unknown): void => {
        outgoing.writeHead(status, { 'content-type': 'application/json' });
        outgoing.end(JSON.stringify(body));
      };
      if (route === 'GET /health')
        return json(200, {
          judges: { loaded: [...engine.adapters].filter((name) => name.startsWith('judge-')), training: null },
        });
      if (route === 'POST /v1/judges') {
        const labels = JSON.parse(Buffer.concat(parts).toString('utf8')) as TrainingLabels;
        const name = `judge-${labels.judge}-v${labels.version}`;
        if (!made.has(name)) trainer.sent.push(labels);
        made.set(name, labels);
        return json(202, view(name, labels));
      }
      const [, method = '', judge = '', version = '', verb = ''] =
        /^(\w+) \/v1\/judges\/(\w+)\/(\d+)(?:\/(\w+))?$/.exec(route) ?? [];
      const name = `judge-${judge}-v${version}`;
      const known = made.get(name);
      if (method === 'DELETE') {
        engine.adapters.delete(name);
        return json(200, { name, removed: made.delete(name) });
      }
      if (verb === 'unload') {
        engine.adapters.delete(name);
        return json(200, { name, loaded: false });
      }
      if (known === undefined)
        return json(404, {
          error: { code: 'no_such_judge', message: `${name} was never trained here`, side: 'client' },
        });
      if (verb === 'load') engine.adapters.add(name);
      return json(200, verb === 'load' ? { name, loaded: true, seconds: 0 } : view(name, known));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  trainer.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return trainer;
}
