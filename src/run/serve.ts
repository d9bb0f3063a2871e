/** `gyre serve`: what answers wait for is opened first, and the rest of the gateway is loaded meanwhile. */
import type { Config } from '../core/config.js';
import { reasonOf } from '../core/errors.js';
import { aborted } from '../core/running/abort.js';
import type { Env } from './lines/fields.js';
import type { Output } from './lines/output.js';
import { refuseUntrainable } from './machine.js';
import { openObserving } from './observing.js';
import { tellOthers, withdraw } from './presence.js';
import { openServingStorage } from './storage/serving.js';

/** Before a supervisor loses its patience: Kubernetes waits 30 s. */
const STOP_MS = 25_000;

/** Runs until `signal` fires; resolves when everything is closed. Throws an operator error when it cannot start. */
export async function serve(config: Config, output: Output, signal: AbortSignal, env: Env): Promise<void> {
  refuseUntrainable(config, config['trainer.url']);
  endAnyway(signal, output);
  const observing = await openObserving(env, config, output);
  try {
    tellOthers(config.data, { learn: config.learn }, (text) => output.warn(text));
    const storage = openServingStorage(
      config,
      (reason) => output.warn(`the log failed to write: ${reasonOf(reason)}`),
      (text) => output.warn(text),
    );
    try {
      const { runGateway } = await import('./gateway.js');
      await runGateway({ storage, observing, config, output, signal, env });
    } finally {
      // Also where the start was refused: the log's thread would keep the process alive.
      await storage.close();
    }
  } finally {
    withdraw(config.data);
    await observing.close();
  }
  output.event('stopped', {});
}

/**
 * A thread that waits for a disk can be ended by nothing else. All that was acknowledged is in the intake, and what
 * this process started ends by itself.
 */
function endAnyway(signal: AbortSignal, output: Output): void {
  const end = (): void => {
    setTimeout(() => {
      output.warn(`it did not end within ${STOP_MS / 1000} s and is killed; what was acknowledged is kept`);
      process.kill(process.pid, 'SIGKILL');
    }, STOP_MS).unref();
  };
  void aborted(signal).then(end);
}
