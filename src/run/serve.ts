/** `gyre serve`: what answers wait for is opened first, and the rest of the gateway is loaded meanwhile. */
import type { Config } from '../core/config.js';
import { reasonOf } from '../core/errors.js';
import type { Env } from './lines/fields.js';
import type { Output } from './lines/output.js';
import { refuseUntrainable } from './machine.js';
import { openObserving } from './observing.js';
import { announce, withdraw } from './presence.js';
import { openServingStorage } from './storage/serving.js';

/** Before a supervisor loses its patience: Kubernetes waits 30 s. */
const STOP_MS = 25_000;

/** Runs until `signal` fires; resolves when everything is closed. Throws an operator error when it cannot start. */
export async function serve(config: Config, output: Output, signal: AbortSignal, env: Env): Promise<void> {
  refuseUntrainable(config, config['trainer.url']);
  endAnyway(signal, output);
  const observing = await openObserving(env, config, output);
  try {
    announced(config, output);
    const storage = openServingStorage(
      config,
      (reason) => output.warn(`the log failed to write: ${reasonOf(reason)}`),
      (text) => output.warn(text),
    );
    try {
      const { runGateway } = await import('./gateway.js');
      await runGateway(storage, observing, config, output, signal, env);
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
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
}

/** Also a gateway that cannot say so serves: its intake names it, too. */
function announced(config: Config, output: Output): void {
  try {
    announce(config.data, { learn: config.learn });
  } catch (thrown) {
    output.warn(`other commands are not told that this gateway runs: ${reasonOf(thrown)}`);
  }
}
