/**
 * A gateway for tests: the real app on a free port, before the scripted engine, with a real log in a temporary folder.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import OpenAI from 'openai';

import { type App, type AppDeps, createApp } from '../../src/app.js';
import { readingOf } from '../../src/run/reading/asked.js';
import { parseConfig } from '../../src/core/config.js';
import { proxiesOf } from '../../src/core/proxy.js';
import type { Opening, StepLog } from '../../src/core/log.js';
import { redactorOf } from '../../src/core/text/redact.js';
import type { SamplingDefaults } from '../../src/core/serving.js';
import type { Neutraliser } from '../../src/core/text/control.js';
import type { Tool } from '../../src/core/tool.js';
import type { Ending, Step } from '../../src/core/trajectory.js';
import { listen } from '../../src/http/wire/listen.js';
import { openPolicy } from '../../src/policy/engine/sample.js';
import { openServing, type VersionTable } from '../../src/policy/serving/serving.js';
import { openUpstreams } from '../../src/policy/serving/upstreams.js';
import { openStore, type Store } from '../../src/store/file/db.js';
import { addKey, type KeyChanges } from '../../src/store/keys/keys.js';
import type { LocalLog } from '../../src/store/log/local.js';
import { openLog } from '../../src/store/log/log.js';
import { type Engine, type Script, startEngine } from './engine.js';
import { recorded, recordedSockets } from './recording.js';
import { askOver, keyringOver } from '../run/rows.js';

interface Logged {
  readonly opening: Opening;
  readonly trajectoryId: string;
  readonly steps: Step[];
  ending?: Ending;
}

export interface PostOptions {
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface Gateway {
  readonly url: string;
  readonly engine: Engine;
  readonly app: App;
  readonly serving: VersionTable;
  readonly store: Store;
  readonly log: StepLog;
  readonly folder: string;
  /** Makes a key, after which the gateway is open to keys only: do it before the first request. */
  key(name: string, said?: KeyChanges): { readonly id: string; readonly headers: { readonly authorization: string } };
  /** Everything handed to the log, in order. */
  readonly logged: Logged[];
  /** Lines for the operator. */
  readonly warnings: readonly string[];
  /** The official client, without retries. */
  readonly client: OpenAI;
  /** A raw chat request. */
  post(body: unknown, init?: PostOptions): Promise<Response>;
  /** Stops as a gateway that is told to stop does: what is under way has so long to end. */
  stop(deadlineMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface GatewayOptions {
  readonly script?: Script;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly tools?: readonly Tool[];
  /** Instead of the defaults; made from the store where it is a function. */
  readonly deps?: Partial<AppDeps>;
  /** The same, for what needs the gateway's own store. */
  readonly depsOver?: (store: Store) => Partial<AppDeps>;
  /** Milliseconds the engine may be silent. */
  readonly engineTimeoutMs?: number;
  readonly engineUrl?: string;
  /** Sent to the engine with every request. */
  readonly engineKey?: string;
  /** How the policy is drawn from where a request does not say. */
  readonly defaults?: SamplingDefaults;
  /** Breaks the control tokens of the engine's model. */
  readonly neutraliser?: Neutraliser;
  /** The environment its upstreams are reached by. */
  readonly env?: Readonly<Record<string, string>>;
  /** A data folder that outlives the gateway. */
  readonly folder?: string;
}

/** A tool that calls `run`, pure unless it says otherwise. */
export function tool(
  name: string,
  run: (args: Record<string, unknown>, signal: AbortSignal) => Promise<string> | string,
): Tool {
  return {
    spec: { name, parameters: { type: 'object' } },
    pure: true,
    run: async (args, signal) => run(args as Record<string, unknown>, signal),
  };
}

/** Adds two numbers and nothing else: the children of the real calculator are its own tests' matter. */
export const adder: Tool = tool('calculator', ({ expression }) => {
  const [left = '0', right = '0'] = String(expression).split('+');
  const sum = Number(left) + Number(right);
  if (Number.isNaN(sum)) throw new Error(`cannot calculate ${String(expression)}`);
  return String(sum);
});

export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const engine = await startEngine(options.script === undefined ? {} : { script: options.script });
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'gyre-gateway-'));
  const config = parseConfig(options.config ?? {});
  const redactor = redactorOf(config.redact);
  const store = openStore(folder);
  const logged: Logged[] = [];
  const warnings: string[] = [];
  const enginePolicy = openPolicy({
    answerBytes: config['limits.answer_bytes'],
    url: options.engineUrl ?? engine.url,
    timeoutMs: options.engineTimeoutMs ?? 5_000,
    ...(options.engineKey === undefined ? {} : { apiKey: options.engineKey }),
    neutraliser: options.neutraliser,
  });
  const upstreams = openUpstreams(config.upstreams, {
    timeoutMs: options.engineTimeoutMs ?? 5_000,
    answerBytes: config['limits.answer_bytes'],
    proxyFor: proxiesOf(options.env ?? {}),
    warn: (text) => warnings.push(text),
  });
  const reading = readingOf(askOver(store.db, config, redactor));
  const serving = openServing({
    engine: { policy: enginePolicy, counter: enginePolicy },
    upstreams: upstreams.models,
    defaults: () => options.defaults,
    versions: [{ version: 1, created: 1_760_000_000 }],
    load: async (version) => {
      engine.adapters.add(`gyre-v${String(version).padStart(6, '0')}`);
      return Promise.resolve();
    },
    async opening(messages, signal) {
      await log.flush();
      return reading.opening(messages, signal);
    },
  });
  const log = remembering(openLog(store, { redactor }), logged);
  const app = createApp({
    version: 'test',
    config,
    serving,
    log,
    tools: new Map((options.tools ?? [adder]).map((each) => [each.spec.name, each])),
    keys: keyringOver(store.db),
    reading,
    parts: () => [{ part: 'engine', ready: true }],
    ...options.deps,
    ...options.depsOver?.(store),
  });
  const listening = await listen(recorded(app.listener), {
    host: '127.0.0.1',
    port: 0,
    upgrades: recordedSockets(app.sockets),
  });
  return {
    url: listening.url,
    engine,
    app,
    serving,
    store,
    log,
    folder,
    logged,
    warnings,
    key: (name, said = {}) => {
      const { key, secret } = addKey(store.db, { name, ...said });
      return { id: key.id, headers: { authorization: `Bearer ${secret}` } };
    },
    client: new OpenAI({ baseURL: `${listening.url}/v1`, apiKey: 'any', maxRetries: 0 }),
    post: (body, init = {}) =>
      fetch(`${listening.url}/v1/chat/completions`, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...init,
        headers: { 'content-type': 'application/json', ...init.headers },
      }),
    stop: async (deadlineMs) => {
      await listening.close(deadlineMs);
      await app.idle();
    },
    close: async () => {
      await listening.close(0);
      await enginePolicy.close();
      await upstreams.close();
      await engine.close();
      store.sqlite.close();
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

function remembering(log: LocalLog, logged: Logged[]): StepLog {
  return {
    open(opening) {
      const recording = log.open(opening);
      const entry: Logged = { opening, trajectoryId: recording.trajectoryId, steps: [] };
      logged.push(entry);
      return {
        trajectoryId: recording.trajectoryId,
        continued: recording.continued,
        messages: recording.messages,
        past: recording.past,
        step(step, visible) {
          entry.steps.push(step);
          return recording.step(step, visible);
        },
        finish(ending) {
          entry.ending = ending;
          return recording.finish(ending);
        },
      };
    },
    get failures() {
      return log.failures;
    },
    get state() {
      return log.state;
    },
    refusal: () => log.refusal(),
    flush: () => log.flush(),
  };
}

/** Waits until `holds`, for what happens on the other side of a socket. Throws after ten seconds. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
