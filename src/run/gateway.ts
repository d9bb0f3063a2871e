/** A gateway: it is up at once, the engine and the trainer come up behind it, learning follows. */
import type { Tools } from '../../tools/index.js';
import { createApp } from '../app.js';
import type { Config } from '../core/config.js';
import { clockEnvironment } from './child_environment.js';
import { operatorError } from '../core/errors.js';
import type { Keys } from '../core/key.js';
import { GYRE_POLICY } from '../core/learning/policy_name.js';
import { aborted } from '../core/running/abort.js';
import { compiled } from '../core/running/compiled.js';
import { giveMemoryBack } from '../core/running/memory.js';
import { hangs } from '../core/running/within.js';
import type { ServedCanary } from '../core/judging/live.js';
import { NONE_FOLLOWED } from '../core/learning/version.js';
import { proxiesOf } from '../core/proxy.js';
import { callerOf, requireAdmin, scopeOf } from '../http/callers/auth.js';
import { listen } from '../http/wire/listen.js';
import { follow } from '../learner/following/follow.js';
import { promote, restart, rollback, type Steering } from '../learner/promoting.js';
import { learningRoutes } from '../learner/routes.js';
import { openEngine } from '../policy/serving/current_engine.js';
import { openServing, type VersionTable } from '../policy/serving/serving.js';
import { openUpstreams } from '../policy/serving/upstreams.js';
import type { Env } from './lines/fields.js';
import { servingVersion } from '../store/learning/decisions.js';
import { holdOutLive } from '../store/learning/held_out.js';
import { openPruning } from '../store/retention/pruning.js';
import { saveTasks } from '../store/learning/tasks.js';
import { versionsWithWeights } from '../store/learning/weights.js';
import { type LearningClock, openClock } from './clock.js';
import { needTrainer, noTrainer } from './learner.js';
import { NewsWatch } from './lines/learning.js';
import { reportWaiting } from './lines/waiting.js';
import { VERSION } from './machine.js';
import type { Observing } from './observing.js';
import type { Output } from './lines/output.js';
import { tellOthers, named, otherGateways } from './presence.js';
import { secretOf } from './secret.js';
import { learningRowsOf } from './reading/asked.js';
import { steeringRowsOf } from './reading/steering.js';
import type { ServingStorage } from './storage/serving.js';
import { openToolset } from './storage/toolset.js';
import { openSupply } from './supply.js';
import { readTasks } from './tasks.js';
import { trainerGiven } from './trainer_address.js';

const LOOPBACK = ['127.0.0.1', '::1', 'localhost'];

interface Given {
  readonly storage: ServingStorage;
  readonly observing: Observing;
  readonly config: Config;
  readonly output: Output;
  readonly signal: AbortSignal;
  readonly env: Env;
}

/**
 * Runs until `signal` fires and everything it started has ended; what it was given stays open. Throws an operator
 * error when it cannot start.
 */
export async function runGateway(given: Given): Promise<void> {
  const { storage, config, output } = given;
  const tools = openToolset(config, VERSION, (text) => output.warn(text));
  try {
    await serveWith(tools, given);
  } finally {
    // What is left of answers is logged first, and may still hold a call; where the log waits the intake has it.
    await storage.log.flush().catch(() => undefined);
    await tools.close();
  }
}

async function serveWith(tools: Tools, { storage, observing, config, output, signal, env }: Given): Promise<void> {
  const { ask, keys } = storage;
  for (const other of otherGateways(config.data))
    output.warn(
      `another gateway (${named(other)}) serves the folder "${config.data}", too: of a conversation that both ` +
        'go on with the second becomes a branch; give each its own with --data DIR where that is not meant',
    );
  const { versions, servingAtStart } = storage.atStart((db) => {
    holdOutLive(db, config.gate.heldout);
    if (config['learning.heldout'] !== undefined)
      saveTasks(db, readTasks(config['learning.heldout'], tools.toolbox, config));
    return { versions: versionsWithWeights(db, GYRE_POLICY), servingAtStart: servingVersion(db, GYRE_POLICY) };
  });
  await storage.ready();
  requireKeysBeyondLoopback(config, keys);
  requireKeysForEveryPage(config, keys);

  const engine = openEngine(config['engine.timeout_seconds'] * 1000, config['limits.answer_bytes']);
  const upstreams = openUpstreams(config.upstreams, {
    timeoutMs: config['engine.timeout_seconds'] * 1000,
    answerBytes: config['limits.answer_bytes'],
    proxyFor: proxiesOf(env),
    warn: (text) => output.warn(text),
  });
  const external = config['engine.url'] !== undefined;
  const serving = openServing({
    engine,
    versions: external
      ? []
      : versions.map(({ version, createdAt }) => ({ version, created: Math.floor(createdAt / 1000) })),
    // An engine given by address holds none of our adapters: it serves its own model.
    serving: external ? 0 : servingAtStart,
    upstreams: upstreams.models,
    defaults: () => supply.defaults,
    load: (version) => needTrainer(supply.trainer).load(version),
    async opening(messages, signal) {
      // The answer that this goes on from may have been given a moment ago.
      await storage.log.flush();
      return storage.reading.opening(messages, signal);
    },
  });
  const news = new NewsWatch(() => ask('news', []), output);
  let clock: LearningClock | undefined;
  const learningRows = learningRowsOf(ask, () => ({ trainer: supply.trainer !== undefined, learn: config.learn }));
  const steering: Steering = { rows: steeringRowsOf(ask), decided: () => follower.check() };
  const app = createApp({
    version: VERSION,
    config,
    serving,
    log: storage.log,
    tools: tools.toolbox,
    keys,
    reading: storage.reading,
    parts: () => [...supply.parts(), ...tools.servers.parts()],
    observer: observing.observer,
    secret: secretOf(config.data),
    ...(external ? {} : { learning: () => news.numbers }),
    bug(thrown, requestId) {
      const reason = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      output.fault({ request_id: requestId, reason }, `request ${requestId} met a bug of the gateway: ${reason}`);
    },
    extra: (bodies) => [
      learningRoutes({
        rows: learningRows,
        start: (options) => (clock === undefined ? Promise.reject(noTrainer()) : clock.cycle(options)),
        promote: (version) => promote(steering, version),
        rollback: () => rollback(steering, needTrainer(supply.trainer), BY_ADMIN),
        restart: (version) => restart(steering, needTrainer(supply.trainer), version, BY_ADMIN),
        allow: async (request, admin) => scopeOf(await (admin ? requireAdmin : callerOf)(keys, request)),
        body: (incoming) => bodies.json(incoming, {}),
      }),
    ],
  });

  giveMemoryBack();
  const listening = await listen((incoming, outgoing) => app.listener(incoming, outgoing), {
    host: config.host,
    port: config.port,
    upgrades: app.sockets,
  });
  output.line(`listening ${listening.url}`);
  storage.warm();
  tools.warm();
  learningRows.warm();
  output.event('listening', { url: listening.url, version: VERSION, pid: process.pid, telemetry: observing.telemetry });
  const supply = openSupply(config, engine, trainerGiven(config, env), env, () => announceSelf());
  let stopping = false;
  /** Where it answers, and which trainer others may use, from when there is one until it is to end. */
  const announceSelf = (): void => {
    const reached = stopping ? {} : { url: listening.url, trainer: supply.trainer };
    tellOthers(config.data, { ...reached, learn: config.learn }, (text) => output.warn(text));
  };
  announceSelf();
  const follower = follow({
    // An engine given by address has no weights of ours to follow.
    rows: () => (external ? Promise.resolve(NONE_FOLLOWED) : ask('followed', [])),
    alias: serving,
    adapters: {
      load: (version) => needTrainer(supply.trainer).load(version),
      unload: async (version) => {
        serving.dropped(version);
        await needTrainer(supply.trainer).unload(version);
      },
      loaded: async () => (await supply.trainer?.health())?.loaded.map(({ version }) => version),
      remove: (version) => needTrainer(supply.trainer).remove(version),
    },
    known: (version) => serving.know(version, false),
    canary: canaryTold(serving, output),
    gone: (version) => serving.forget(version),
    removed: (version, reason) => ask('weightsRemoved', [version, reason]),
    failed: (message) => output.warn(message),
    flipped(from, to, seconds) {
      app.metrics.swapped();
      output.event('swap', { from, to, seconds }, `serving version ${to} (before: ${from})`);
    },
  });
  if (!external) await news.start();
  const pruning =
    config.retention === undefined
      ? undefined
      : openPruning({
          dataDir: config.data,
          retention: config.retention,
          module: compiled(new URL('../store/retention/prune_worker.js', import.meta.url)),
          pruned: ({ trajectories, steps, batches }) =>
            output.event(
              'pruned',
              { trajectories, steps, batches },
              `pruned ${trajectories} trajectories (${steps} steps) and the tokens of ${batches} batches`,
            ),
          failed: (reason) => output.warn(`pruning failed and is tried again: ${reason}`),
        });
  const stopWaiting = reportWaiting(() => supply.parts(), output);
  try {
    await supply.ready(signal).finally(stopWaiting);
    output.line(`ready ${listening.url}`);
    output.event('ready', { url: listening.url });
    if (!external)
      clock = openClock({
        config,
        trainer: () => supply.trainer,
        env: clockEnvironment(env),
        decided: () => follower.check(),
        warn: (text) => output.warn(text),
      });
    await aborted(signal);
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  } finally {
    // In reverse order: first nothing new is taken in, then what runs comes to its end, then what it ran on is closed.
    output.event('stopping', {});
    stopping = true;
    announceSelf();
    follower.stop();
    news.stop();
    // Neither answers anybody: they end beside whoever is still being answered.
    const beside = Promise.all([pruning?.stop(), clock?.stop()]);
    await listening.close();
    // Answers cut off at the deadline are still being logged. Whatever hangs does not hold the process.
    const hung = await hangs(app.idle(), IDLE_MS);
    if (hung) output.warn(`${app.inFlight()} answers did not end within ${IDLE_MS / 1000} s and are given up`);
    // No request is left to observe, and what stops below may take longer than a supervisor waits before it kills us.
    await observing.close();
    await beside;
    await supply.stop();
    await engine.close();
    await upstreams.close();
  }
}

/** Conversations go where the rows say, and the operator is told when that changes. */
function canaryTold(serving: VersionTable, output: Output): (canary: ServedCanary | undefined) => void {
  let told: ServedCanary | undefined;
  return (canary) => {
    if (canary !== undefined) serving.know(canary.version, true);
    serving.setCanary(canary);
    if (told?.id === canary?.id) return;
    if (canary !== undefined) {
      const { version, share } = canary;
      output.event(
        'canary',
        { version },
        `version ${version} answers ${(100 * share).toFixed(0)} % of the conversations as a canary`,
      );
    } else if (told !== undefined)
      output.event('canary', { version: told.version }, `the canary of version ${told.version} has ended`);
    told = canary;
  };
}

/** Why a version was copied, in its decision. */
const BY_ADMIN = 'asked for by an administrator';

/** How long answers that were cut off may take to end, milliseconds. */
const IDLE_MS = 2_000;

/** Without keys every caller may do everything, so only this machine may call. */
function requireKeysBeyondLoopback(config: Config, keys: Keys): void {
  if (LOOPBACK.includes(config.host) || keys.required()) return;
  const pages = config.cors.length === 0 ? '' : `, pages of ${config.cors.join(', ')} ("cors") among them`;
  throw operatorError(
    `--host is "${config.host}" and there are no API keys, so anyone who reaches this machine could use and read ` +
      `everything${pages}; make one with "gyre keys add NAME --role admin", or serve 127.0.0.1`,
  );
}

/** Loopback keeps people out, but not the pages that a browser on this machine shows. */
function requireKeysForEveryPage(config: Config, keys: Keys): void {
  if (!config.cors.includes('*') || keys.required()) return;
  throw operatorError(
    '"cors" is "*" and there are no API keys, so any page that is opened on this machine could use and read ' +
      'everything; make one with "gyre keys add NAME --role admin", or list the origins that may ask',
  );
}
