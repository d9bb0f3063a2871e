/**
 * A thread of a running gateway that has the store open and answers calls, one after the other. It may wait for disk
 * and locks: nobody else waits with it.
 */
import { parentPort, workerData } from 'node:worker_threads';

import { yieldProcessor } from '../../core/running/process.js';
import { redactorOf } from '../../core/text/redact.js';
import { openBeside } from '../../store/file/db.js';
import { called, type Held } from './calls.js';
import { faultOf, type FromReader, type ReaderData, type ToReader } from './wire.js';

const { config, busyMs, niceness } = workerData as ReaderData;
const port = parentPort;
if (port === null) throw new Error('this module is a worker of the gateway and is not started by itself');

const post = (message: FromReader, moved: readonly ArrayBuffer[] = []): void => port.postMessage(message, [...moved]);
if (niceness > 0) yieldProcessor(niceness);
const store = openBeside(config.data, { busyMs });
const held: Held = { db: store.db, config, redactor: redactorOf(config.redact) };

port.on('message', (message: ToReader) => {
  if (message.type === 'close') {
    store.close();
    port.close();
    return;
  }
  try {
    const value = called(held, message.name, message.args);
    // Bytes are handed over, not copied.
    post({ type: 'done', value }, value instanceof Uint8Array ? [value.buffer as ArrayBuffer] : []);
  } catch (thrown) {
    post({ type: 'threw', fault: faultOf(thrown) });
  }
});
post({ type: 'ready' });
