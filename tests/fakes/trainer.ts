/**
 * A trainer that speaks the contract and trains nothing: batches are kept, every new one is "applied" at once. What it
 * is to load or unload it hands on to its engine.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { Batch } from '../../src/core/learning/batch.js';
import { adapterName } from '../../src/core/learning/version.js';

export interface FakeTrainer {
  readonly url: string;
  /** Distinct batches that were applied, in order. */
  readonly applied: Batch[];
  /** Every call, as `METHOD /path`. */
  readonly calls: string[];
  /** What the next batch ends as. */
  fate: 'done' | 'failed';
  /** While true every batch is still being trained on, as far as anyone hears. */
  slow: boolean;
  parityPassed: boolean;
  /** The version its weights are. */
  head: number;
  /** Loses its data: every version but those it gets from now on. */
  forget(): void;
  close(): Promise<void>;
}

/** Without an engine it loads and unloads as if there were one. */
export async function startTrainer(engineUrl?: string): Promise<FakeTrainer> {
  /** What it has loaded into the engine. */
  const held = new Set<number>();
  /** Numbers it has given: to what a batch made, or to a copy of which version. */
  let given = new Map<number, number | 'trained'>();
  /** Versions it got since it lost its data. */
  let had = new Set<number>();
  /** Versions it has lost. */
  let lost: (version: number) => boolean = () => false;
  const results = new Map<string, { batch: Batch; state: 'done' | 'failed' }>();
  const trainer = {
    url: '',
    applied: [] as Batch[],
    calls: [] as string[],
    fate: 'done' as 'done' | 'failed',
    slow: false,
    parityPassed: true,
    head: 0,
    forget(): void {
      const kept = new Set<number>();
      had = kept;
      lost = (version) => version !== 0 && !kept.has(version);
      results.clear();
      given = new Map();
      trainer.head = 0;
    },
    close: (): Promise<void> =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  const server = createServer((incoming, outgoing) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      const route = `${incoming.method ?? ''} ${incoming.url ?? ''}`;
      trainer.calls.push(route);
      const json = (status: number, body: unknown): void => {
        outgoing.writeHead(status, { 'content-type': 'application/json' });
        outgoing.end(JSON.stringify(body));
      };
      const view = (id: string): unknown => {
        const known = results.get(id);
        if (known === undefined) return undefined;
        if (trainer.slow) return { batch_id: id, state: 'training', progress: 0.5 };
        if (known.state === 'failed')
          return {
            batch_id: id,
            state: 'failed',
            error: { code: 'non_finite', message: 'the loss is not finite', side: 'trainer' },
          };
        return {
          batch_id: id,
          state: 'done',
          progress: 1,
          result: {
            version: known.batch.target_version,
            name: `gyre-v${known.batch.target_version}`,
            path: '/nowhere',
            metrics: {
              loss: 0.5,
              tokens_computed: known.batch.tree.tokens.length,
              kl_before: 0.01,
              kl_base: 0.02,
              entropy: 0.4,
              step_scale: 1,
              grad_norm: 0.7,
              ratio_mean: 1,
            },
            published_at: 1,
            load_seconds: 0.05,
            first_token_seconds: 0.1,
            differs_from_base: 0.01,
            parity: { mean_abs: 0.001, max_abs: 0.01, n_tokens: 64, tolerance: 0.03, passed: trainer.parityPassed },
          },
        };
      };
      const taken = (version: number): void =>
        json(409, { error: { code: 'version_exists', message: `version ${version} is there`, side: 'client' } });
      const gone = (version: number): void =>
        json(404, { error: { code: 'no_such_version', message: `there is no version ${version}`, side: 'client' } });
      if (route === 'GET /health')
        return json(200, {
          status: 'ok',
          pid: process.pid,
          uptime_s: 1,
          phase: 'ready',
          engine: { state: 'ready', url: engineUrl ?? null, pid: 1, restarts: 0, detail: '' },
          model: { path: '/m', dtype: 'float32', device: 'cpu', template_hash: 'sha256:t', max_model_len: 2048 },
          head: trainer.head,
          loaded: [...held].map((version) => ({ version, name: adapterName(version) })),
          self_check: {},
          busy: null,
        });
      if (route === 'POST /v1/batches') {
        const batch = Batch.parse(JSON.parse(Buffer.concat(parts).toString('utf8')));
        if (!results.has(batch.batch_id) && batch.base_version !== trainer.head)
          return json(409, {
            error: {
              code: 'stale_base',
              message: `base_version is ${batch.base_version}, the trainer's head is ${trainer.head}`,
              side: 'client',
            },
          });
        if (!results.has(batch.batch_id) && given.has(batch.target_version)) return taken(batch.target_version);
        if (!results.has(batch.batch_id)) {
          results.set(batch.batch_id, { batch, state: trainer.fate });
          if (trainer.fate === 'done') {
            trainer.applied.push(batch);
            given.set(batch.target_version, 'trained');
            trainer.head = batch.target_version;
            held.add(batch.target_version);
            had.add(batch.target_version);
          }
        }
        return json(202, view(batch.batch_id));
      }
      const asked = /^GET \/v1\/batches\/(.+)$/.exec(route)?.[1];
      if (asked !== undefined) {
        const seen = view(asked);
        return seen === undefined
          ? json(404, { error: { code: 'no_such_batch', message: `there is no batch ${asked}`, side: 'client' } })
          : json(200, seen);
      }
      const adapter = /^POST \/v1\/adapters\/(\d+)\/((?:un)?load)$/.exec(route);
      if (adapter !== null) {
        const version = Number(adapter[1]);
        if (adapter[2] === 'load' && lost(version)) return gone(version);
        const name = adapterName(version);
        if (adapter[2] === 'load') held.add(version);
        else held.delete(version);
        if (engineUrl === undefined) return json(200, {});
        // Both are idempotent here and not in the engine, so its answer is nobody's business.
        return void fetch(`${engineUrl}/v1/${adapter[2]}_lora_adapter`, {
          method: 'POST',
          body: JSON.stringify({ lora_name: name, lora_path: `/nowhere/${name}` }),
        }).then(
          () => json(200, {}),
          () => json(503, { error: { code: 'no_engine', message: 'the engine is away', side: 'engine' } }),
        );
      }
      if (route.startsWith('DELETE /v1/adapters/')) return json(200, { name: '', removed: true });
      const said = (): { version: number; copy_of?: number; make_head?: boolean } =>
        JSON.parse(Buffer.concat(parts).toString('utf8')) as { version: number; make_head?: boolean };
      if (route === 'POST /v1/head' && lost(said().version)) return gone(said().version);
      if (route === 'POST /v1/versions') {
        const { version, copy_of: copyOf = 0 } = said();
        if (given.has(version) && given.get(version) !== copyOf) return taken(version);
        if (lost(copyOf)) return gone(copyOf);
        given.set(version, copyOf);
        had.add(version);
        held.add(said().version);
      }
      if (route === 'POST /v1/head' || (route === 'POST /v1/versions' && said().make_head === true))
        trainer.head = said().version;
      return json(200, {});
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  trainer.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return trainer;
}
