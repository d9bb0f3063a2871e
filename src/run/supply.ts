/**
 * Where policy and trainer come from: an engine given by address, a trainer given by address, the trainer of a
 * gateway that already serves this data folder, or one of our own. Keeps the engine pointed at whatever lives.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { isAbsolute } from 'node:path';

import type { Config } from '../core/config.js';
import { childEnvironment } from './child_environment.js';
import { operatorError, reasonOf } from '../core/errors.js';
import type { Part } from '../http/routes/health.js';
import { openTrainer, type Trainer, type TrainerHealth } from '../train/client.js';
import { launchTrainer, type Launched } from '../train/launch.js';
import type { SamplingDefaults } from '../core/serving.js';
import type { Neutraliser } from '../core/text/control.js';
import type { Engine } from '../policy/serving/current_engine.js';
import { watchEngine } from '../policy/serving/watch.js';
import type { Env } from './lines/fields.js';
import { modelFolder, python, TEMPLATE } from './machine.js';
import { neutraliserFor, samplingFor } from './model.js';
import { TRAINER_TOKEN, type TrainerAddress } from './trainer_address.js';

export interface Supply {
  readonly trainer: Trainer | undefined;
  readonly health: TrainerHealth | undefined;
  /** Undefined until the model is known. */
  readonly defaults: SamplingDefaults | undefined;
  /** What is up and what is still coming up. */
  parts(): readonly Part[];
  /** Resolves when the engine can answer. Rejects when `signal` fires. */
  ready(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

/** How often the trainer is asked for its health and its engine's address. */
const POLL_MS = 500;

/**
 * `running` is a trainer that runs already; without it, and without an engine address, one is started. `moved` is
 * called when that one has come up, and when it has ended.
 */
export function openSupply(
  config: Config,
  engine: Engine,
  running: TrainerAddress | undefined,
  env: Env,
  moved: () => void = () => undefined,
): Supply {
  const external = config['engine.url'];
  if (external !== undefined) return externalSupply(config, engine, external);

  let trainer = running === undefined ? undefined : openTrainer(running.url, running.token);
  let health: TrainerHealth | undefined;
  let detail = 'starting the trainer';
  let launched: Launched | undefined;
  const waiting: { readonly resolve: () => void; readonly reject: (reason: Error) => void }[] = [];
  let unsupported: Error | undefined;
  if (trainer === undefined) {
    mkdirSync(config.data, { recursive: true, mode: 0o700 });
    // By its environment: everyone on the machine can read what a process was started with.
    const token = randomBytes(32).toString('base64url');
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
      env: { ...childEnvironment(env), [TRAINER_TOKEN]: token },
      changed: (state) => {
        if ('url' in state) trainer = openTrainer(state.url, token);
        else {
          trainer = undefined;
          health = undefined;
          detail = 'unsupported' in state ? state.unsupported : `the trainer is down: ${state.down}`;
          engine.point(undefined, detail);
        }
        if ('unsupported' in state) {
          unsupported = operatorError(`${state.unsupported}; set "model.path" to another model`);
          for (const { reject } of waiting.splice(0)) reject(unsupported);
        }
        moved();
      },
    });
  }
  const closing = new AbortController();
  /** The folder a trainer given by address names is on the same machine, where it is there at all. */
  let model:
    { readonly folder: string; readonly neutraliser: Neutraliser; readonly defaults: SamplingDefaults } | undefined;
  const modelIn = (folder: string): NonNullable<typeof model> =>
    model?.folder === folder
      ? model
      : {
          folder,
          neutraliser: neutraliserFor(folder, TEMPLATE),
          defaults: { sampling: samplingFor(config, folder), hosted: false },
        };
  const poll = async (): Promise<void> => {
    if (trainer === undefined) return;
    try {
      health = await trainer.health(closing.signal);
    } catch (thrown) {
      health = undefined;
      detail = reasonOf(thrown);
      return;
    }
    const { state, url, detail: reason, api_key: apiKey } = health.engine;
    detail = `vLLM is ${state}${reason ? `: ${reason}` : ''}`;
    if (state === 'ready' && url !== null) {
      model = modelIn(config['model.path'] ?? health.model.path);
      engine.point({ url, apiKey: apiKey ?? undefined, neutraliser: model.neutraliser });
      for (const { resolve } of waiting.splice(0)) resolve();
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
    get defaults() {
      return model?.defaults;
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
      signal.throwIfAborted(); // one that has fired does not fire again
      if (unsupported !== undefined) throw unsupported;
      await new Promise<void>((resolve, reject) => {
        waiting.push({ resolve, reject });
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
  /** The folder its model is from, where the configuration says it or it lies on this machine. */
  let folder = config['model.path'];
  let neutraliser = folder === undefined ? undefined : neutraliserFor(folder);
  engine.point({ url, ...credentials, baseModel: configured, neutraliser });
  const watch = watchEngine({
    url,
    apiKey,
    changed({ model }) {
      if (config['model.path'] === undefined && isLocal(url) && model?.root !== folder) {
        folder = model?.root;
        neutraliser = folder === undefined || !isAbsolute(folder) ? undefined : neutraliserFor(folder);
      }
      // An engine that is gone keeps its address: requests get their own clear 503 from the connection.
      engine.point({ url, ...credentials, baseModel: configured ?? model?.id, neutraliser });
    },
  });
  return {
    trainer: undefined,
    health: undefined,
    defaults: { sampling: samplingFor(config, undefined), hosted: true },
    parts: () => [
      watch.trouble === undefined
        ? { part: 'engine', ready: true, detail: publicUrl }
        : { part: 'engine', ready: false, detail: `${publicUrl}: ${watch.trouble}` },
    ],
    ready: () => watch.asked,
    stop() {
      watch.stop();
      return Promise.resolve();
    },
  };
}

function isLocal(url: string): boolean {
  return ['127.0.0.1', '[::1]', 'localhost'].includes(new URL(url).hostname);
}
