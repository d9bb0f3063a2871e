/** A whole learner, opened for one verb or for the learning clock's process, and closed after it. */
import { learnerOf, needTrainer } from './learner.js';
import { refuseUntrainable, VERSION } from './machine.js';
import { runningGateway } from './presence.js';
import type { Printer } from './print.js';
import { openStorage } from './storage/offline.js';
import { openSupply } from './supply.js';
import { trainerGiven, trainerOf } from './trainer_address.js';
import type { Config } from '../core/config.js';
import type { Policy } from '../core/policy.js';
import { judgeOfAdapter } from '../core/judging/learned.js';
import { adapterVersion } from '../core/learning/version.js';
import type { Learner } from '../learner/deps.js';
import { openEngine } from '../policy/serving/current_engine.js';
import { reloadingPolicy } from '../policy/serving/reloading.js';
import type { Trainer } from '../train/client.js';
import { openJudgeTrainer } from '../train/judges.js';

/**
 * Opens what a verb needs, runs it, closes it. `needsEngine` is false for verbs that only read and write rows. Without
 * `decided`, a gateway that serves the same folder finds new decision rows within a second by itself. `trainerToken` is
 * what requests to `trainer.url` bring, where whoever asks knows it.
 */
export async function withLearner<T>(
  config: Config,
  printer: Printer,
  signal: AbortSignal,
  needsEngine: boolean,
  work: (learner: Learner) => Promise<T> | T,
  decided: () => Promise<void> = () => Promise.resolve(),
  trainerToken?: string,
): Promise<T> {
  const trainer = trainerGiven(config, process.env, trainerToken) ?? trainerOf(runningGateway(config.data));
  if (needsEngine) refuseUntrainable(config, trainer?.url);
  const storage = await openStorage(
    config,
    VERSION,
    (reason) => printer.line(`the log failed to write: ${String(reason)}`),
    (text) => printer.line(text),
  );
  const engine = openEngine(config['engine.timeout_seconds'] * 1000, config['limits.answer_bytes']);
  const supply = needsEngine ? openSupply(config, engine, trainer, process.env) : undefined;
  try {
    if (supply !== undefined && engine.address === undefined) printer.line('waiting for the engine');
    await supply?.ready(signal);
    const none = {
      trainer: undefined,
      health: undefined,
      defaults: undefined,
      parts: () => [],
      ready: () => Promise.resolve(),
      stop: () => Promise.resolve(),
    };
    const learner = learnerOf({
      config,
      storage,
      policy: reloadingAdapters(engine.policy, () => supply?.trainer),
      tokens: (text, stop) => engine.tokens(text, stop),
      supply: () => supply ?? none,
      signal,
      decided,
      progress: printer.progress,
    });
    return await work(learner);
  } finally {
    await supply?.stop();
    await engine.close();
    await storage.close();
  }
}

/** A policy that loads an adapter again where the engine was restarted and has lost it. */
function reloadingAdapters(policy: Policy, trainer: () => Trainer | undefined): Policy {
  return reloadingPolicy(policy, async (name) => {
    const judge = judgeOfAdapter(name);
    if (judge !== undefined) {
      await openJudgeTrainer(needTrainer(trainer())).load(judge.judge, judge.version);
      return true;
    }
    const version = adapterVersion(name);
    if (version === undefined || version === 0) return false;
    await needTrainer(trainer()).load(version);
    return true;
  });
}
