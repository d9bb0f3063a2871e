/** The processes of the gateway benchmark: the engine, the bare forwarder, and Gyre with its log on disk. */
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import type { AddressInfo } from 'node:net';
import { mkdirSync } from 'node:fs';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Pool } from 'undici';

import { createApp } from '../../../src/app.js';
import { parseConfig } from '../../../src/core/config.js';
import type { Reading } from '../../../src/core/reading.js';
import { NO_KEYS } from '../../../src/http/callers/auth.js';
import { listen } from '../../../src/http/wire/listen.js';
import { openPolicy } from '../../../src/policy/engine/sample.js';
import { openServing } from '../../../src/policy/serving/serving.js';
import { openStore } from '../../../src/store/file/db.js';
import { openRemoteLog, type RemoteLog } from '../../../src/store/beside/log.js';
import { startCanned } from './engine.js';

export type Role = 'engine' | 'floor' | 'gyre';

export interface Counts {
  /** Replies of the engine whose caller left before their end. */
  readonly cut: number;
  /** Steps in the log; absent where there is none. */
  readonly rows: number | undefined;
}

interface Options {
  readonly engine?: string | undefined;
  readonly data?: string | undefined;
  readonly stream?: boolean | undefined;
  readonly writes?: number | undefined;
  readonly pauseMs?: number | undefined;
  /** False: nothing is logged. */
  readonly log?: boolean | undefined;
}

interface Started {
  readonly url: string;
  readonly cut?: (() => number) | undefined;
  readonly rows?: (() => Promise<number>) | undefined;
  readonly stop: () => Promise<void>;
}

const [role, json] = process.argv.slice(2);
const options = JSON.parse(json ?? '{}') as Options;
const started = await (role === 'engine' ? engine() : role === 'floor' ? floor() : gyre());
process.send?.(started.url);
process.on('disconnect', () => process.exit(0)); // the benchmark died: leave nothing behind
process.on('message', (message) => {
  if (message === 'counts') void counts().then((counted) => process.send?.(counted));
  else void started.stop().then(() => process.exit(0));
});

async function counts(): Promise<Counts> {
  return { cut: started.cut?.() ?? 0, rows: await started.rows?.() };
}

/** 8 tokens whole, 32 streamed. */
async function engine(): Promise<Started> {
  const { pauseMs } = options;
  const made = await startCanned({
    tokens: options.stream === true ? 32 : 8,
    writes: options.writes ?? 1,
    pauseMs,
  });
  return { url: made.url, cut: made.cut, stop: () => made.close() };
}

/** The lower bound of the comparison: a proxy that forwards bytes, reads nothing of them and keeps nothing. */
async function floor(): Promise<Started> {
  const pool = new Pool(options.engine ?? '', { pipelining: 1 });
  // node's web stream adapter throws when a client leaves in the middle
  process.on('uncaughtException', () => undefined);
  const app = new Hono();
  app.post('/v1/chat/completions', async (c) => {
    const upstream = await pool.request({
      method: 'POST',
      path: '/v1/chat/completions',
      headers: { 'content-type': 'application/json' },
      body: await c.req.text(),
      signal: c.req.raw.signal,
    });
    const type = String(upstream.headers['content-type']);
    const headers = { 'content-type': type };
    if (type.startsWith('application/json'))
      return new Response(await upstream.body.text(), { status: upstream.statusCode, headers });
    return new Response(Readable.toWeb(upstream.body) as ReadableStream, { status: upstream.statusCode, headers });
  });
  const server = await new Promise<ReturnType<typeof serve>>((resolve) => {
    const made = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(made));
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => pool.destroy(),
  };
}

async function gyre(): Promise<Started> {
  const data = options.data ?? '';
  mkdirSync(data, { recursive: true });
  const store = openStore(data);
  const log =
    options.log === false
      ? noLog()
      : openRemoteLog({
          dataDir: data,
          module: fileURLToPath(new URL('../../../src/store/beside/worker.js', import.meta.url)),
        });
  const enginePolicy = openPolicy({ url: options.engine ?? '', timeoutMs: 30_000 });
  const serving = openServing({
    engine: { policy: enginePolicy, counter: enginePolicy },
    load: () => Promise.resolve(),
  });
  const nothing: Reading = {
    trajectories: () => Promise.resolve(new Uint8Array()),
    trajectory: () => Promise.resolve(undefined),
    step: () => Promise.resolve(undefined),
    opening: () => Promise.resolve(undefined),
    conversation: () => Promise.resolve(undefined),
    answers: () => Promise.resolve([]),
    response: () => Promise.resolve(undefined),
    withdraw: () => Promise.resolve(false),
    erase: () => Promise.resolve(undefined),
    feedback: () => Promise.resolve(undefined),
    deletion: () => Promise.resolve(undefined),
    withdrawn: () => Promise.resolve([]),
    labels: {
      add: () => Promise.resolve([]),
      list: () => Promise.resolve(new Uint8Array()),
      next: () => Promise.resolve(new Uint8Array()),
    },
  };
  const app = createApp({
    version: 'bench',
    config: parseConfig({ 'tools.default': [] }),
    serving,
    log,
    tools: new Map(),
    keys: NO_KEYS,
    reading: nothing,
    parts: () => [],
  });
  const listening = await listen(app.listener, { host: '127.0.0.1', port: 0 });
  return {
    url: listening.url,
    rows: async () => {
      await log.flush();
      return (store.sqlite.prepare('SELECT count(*) AS n FROM steps WHERE outcome = ?').get('done') as { n: number }).n;
    },
    stop: async () => {
      await listening.close(0);
      await enginePolicy.close();
      await log.close();
      store.close();
    },
  };
}

/** A log that keeps nothing: what is measured then is the gateway without it. */
function noLog(): RemoteLog {
  return {
    open: ({ messages }) => ({
      trajectoryId: 'traj-none',
      continued: false,
      messages,
      step: () => Promise.resolve(true),
      finish: () => Promise.resolve(true),
    }),
    failures: 0,
    state: { uncommitted: { answers: 0, bytes: 0 }, wal: { bytes: 0, heldUp: 0 } },
    ready: Promise.resolve(),
    refusal: () => undefined,
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}
