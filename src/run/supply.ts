/**
 * Where policy and trainer come from: an engine given by address, a trainer given by address, the trainer of a
 * gateway that already serves this data folder, or one of our own. Keeps the engine pointed at whatever lives.
 */
import { mkdirSync } from 'node:fs';

import type { Config } from '../core/config.js';
import { reasonOf } from '../core/errors.js';
import type { Part } from '../http/routes/health.js';
import { openTrainer, type Trainer, type TrainerHealth } from '../train/client.js';
import { launchTrainer, type Launched } from '../train/launch.js';
import { firstModel, type Engine } from '../policy/serving/current_engine.js';
import { modelFolder, python, TEMPLATE } from './machine.js';

export interface Supply {
  readonly trainer: Trainer | undefined;
  readonly health: TrainerHealth | undefined;
  /** What is up and what is still coming up. */
  parts(): readonly Part[];
  /** Resolves when the engine can answer. Rejects when `signal` fires. */
  ready(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

/** How often the trainer is asked for its health and its engine's address. */
const POLL_MS = 500;

/** Throws an operator error, before anything is opened, where a trainer is to be started and cannot be. */
export function refuseUntrainable(config: Config, trainerUrl: string | undefined): void {
  if (config['engine.url'] !== undefined || trainerUrl !== undefined) return;
  python();
  modelFolder(config);
}

/** `trainerUrl` names a trainer that runs already; without it, and without an engine address, one is started. */
export function openSupply(config: Config, engine: Engine, trainerUrl: string | undefined): Supply {
  const external = config['engine.url'];
  if (external !== undefined) return externalSupply(config, engine, external);

  let trainer = trainerUrl === undefined ? undefined : openTrainer(trainerUrl);
  let health: TrainerHealth | undefined;
  let detail = 'starting the trainer';
  let launched: Launched | undefined;
  if (trainer === undefined) {
    mkdirSync(config.data, { recursive: true });
    launched = launchTrainer({
      python: python(),
      args: [
        'serve',
        '--host',
        '127.0.0.1',
        '--port',
        '0',
        '--data',
        config.data,
        '--model',
        modelFolder(config),
        '--template',
        TEMPLATE,
      ],
      dataDir: config.data,
      changed: (state) => {
        if ('url' in state) trainer = openTrainer(state.url);
        else {
          trainer = undefined;
          health = undefined;
          detail = `the trainer is down: ${state.down}`;
          engine.point(undefined, detail);
        }
      },
    });
  }
  const closing = new AbortController();
  const waiting: (() => void)[] = [];
  const poll = async (): Promise<void> => {
    if (trainer === undefined) return;
    try {
      health = await trainer.health(closing.signal);
    } catch (thrown) {
      health = undefined;
      detail = reasonOf(thrown);
      return;
    }
    const { state, url, detail: reason } = health.engine;
    detail = `vLLM is ${state}${reason ? `: ${reason}` : ''}`;
    if (state === 'ready' && url !== null) {
      engine.point({ url });
      for (const done of waiting.splice(0)) done();
    } else engine.point(undefined, detail);
  };
  let polling = Promise.resolve();
  const timer = setInterval(() => (polling = polling.then(poll)), POLL_MS);
  return {
    get trainer() {
      return trainer;
    },
    get health() {
      return health;
    },
    parts: () => [
      { part: 'engine', ready: engine.address !== undefined, ...(engine.address === undefined ? { detail } : {}) },
      {
        part: 'trainer',
        ready: health !== undefined,
        needed: false,
        ...(health === undefined ? { detail } : { detail: health.phase }),
      },
    ],
    async ready(signal) {
      if (engine.address !== undefined) return;
      await new Promise<void>((resolve, reject) => {
        waiting.push(resolve);
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      });
    },
    async stop() {
      clearInterval(timer);
      closing.abort();
      await launched?.stop();
      await polling;
    },
  };
}

/** An OpenAI-compatible server given by address: its answers are logged, but it cannot be trained from here. */
function externalSupply(config: Config, engine: Engine, url: string): Supply {
  const apiKey = config['engine.api_key'];
  const { origin, pathname } = new URL(url);
  // Without the user name and password an address may hold: everyone may read `/ready`.
  const publicUrl = `${origin}${pathname === '/' ? '' : pathname}`;
  const configured = config['engine.model'];
  const credentials = apiKey === undefined ? {} : { apiKey };
  engine.point({ url, ...credentials, baseModel: configured });
  const closing = new AbortController();
  const learnName = async (): Promise<void> => {
    if (configured !== undefined || closing.signal.aborted) return;
    try {
      engine.point({
        url,
        ...credentials,
        baseModel: await firstModel(url, apiKey, AbortSignal.any([closing.signal, AbortSignal.timeout(2_000)])),
      });
    } catch {
      // It may be started later; until then requests get their own clear 503 from the connection.
      setTimeout(() => void learnName(), 1_000).unref();
    }
  };
  const first = learnName();
  return {
    trainer: undefined,
    health: undefined,
    parts: () => [{ part: 'engine', ready: true, detail: publicUrl }],
    ready: () => first,
    stop() {
      closing.abort();
      return Promise.resolve();
    },
  };
}
