/** Work with a whole learner, opened for one verb or for the learning clock and closed after it. */
import { learnerOf, needTrainer } from './learner.js';
import { present } from './presence.js';
import type { Printer } from './print.js';
import { openStorage } from './storage.js';
import { openSupply, refuseUntrainable } from './supply.js';
import type { Config } from '../core/config.js';
import type { Policy } from '../core/policy.js';
import { adapterVersion } from '../core/learning/version.js';
import type { Learner } from '../learner/deps.js';
import { openEngine } from '../policy/serving/pointed.js';
import { restoring } from '../policy/serving/restoring.js';
import type { Trainer } from '../train/client.js';

/**
 * Opens what a verb needs, runs it, closes it. `engine` false is for verbs that only read and write rows. Without
 * `decided`, a gateway that serves the same folder sees the decision rows at its next look.
 */
export async function withLearner<T>(
  config: Config,
  printer: Printer,
  signal: AbortSignal,
  engine: boolean,
  work: (learner: Learner) => Promise<T> | T,
  decided: () => Promise<void> = () => Promise.resolve(),
): Promise<T> {
  const trainerUrl = config['trainer.url'] ?? present(config.data)?.trainer;
  if (engine) refuseUntrainable(config, trainerUrl);
  const storage = openStorage(
    config,
    (reason) => printer.line(`the log failed to write: ${String(reason)}`),
    false,
    (text) => printer.line(text),
  );
  const sampled = openEngine(config['engine.timeout_seconds'] * 1000);
  const supply = engine ? openSupply(config, sampled, trainerUrl) : undefined;
  try {
    if (supply !== undefined && sampled.address === undefined) printer.line('waiting for the engine');
    await supply?.ready(signal);
    const none = {
      trainer: undefined,
      health: undefined,
      parts: () => [],
      ready: () => Promise.resolve(),
      stop: () => Promise.resolve(),
    };
    const learner = learnerOf({
      config,
      storage,
      policy: remembering(sampled.policy, () => supply?.trainer),
      supply: () => supply ?? none,
      signal,
      decided,
      progress: printer.progress,
    });
    return await work(learner);
  } finally {
    await supply?.stop();
    await sampled.close();
    await storage.close();
  }
}

/** The policy, of an engine that may have been restarted without our adapters. */
function remembering(policy: Policy, trainer: () => Trainer | undefined): Policy {
  return restoring(policy, async (name) => {
    const version = adapterVersion(name);
    if (version === undefined || version === 0) return false;
    await needTrainer(trainer()).load(version);
    return true;
  });
}
