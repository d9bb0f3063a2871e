/** `gyre backup` and `gyre restore`: everything that is needed to go on, in one file, and back. */
import { resolve } from 'node:path';

import type { Config } from '../../core/config.js';
import { operatorError } from '../../core/errors.js';
import { redactorOf } from '../../core/text/redact.js';
import type { Printer } from '../../run/print.js';
import { named, runningGateway } from '../../run/presence.js';
import { withRows } from '../../run/rows.js';
import { backUp, gib } from '../../store/backup/backup.js';
import { restore } from '../../store/backup/restore.js';

export interface BackupFlags {
  readonly weights?: boolean | undefined;
  readonly replace?: boolean | undefined;
}

export function backupVerb(
  config: Config,
  file: string,
  { weights = true }: BackupFlags,
  printer: Printer,
): Promise<void> {
  return withRows(config, (_, store) => {
    const made = backUp(store, resolve(file), { weights, progress: (what) => printer.line(what) });
    const { missing } = made;
    printer.result(made, [
      `${made.file}: ${gib(made.bytes)}, ${made.steps} steps, ${made.files} other files` +
        (made.intakeFiles === 0 ? '' : ', and what gateways had not committed yet'),
      ...(weights ? [] : ['weights and the trainer’s state are left out: versions cannot be served from it']),
      ...(missing.length === 0
        ? []
        : [
            `NOT in it are the weights of version ${missing.join(', ')}, which are not in "${config.data}": keep the ` +
              'folder "adapters" of the trainer that has them, too',
          ]),
      'not in it: the configuration file, secrets of the environment, the model itself, the folder "logs"',
    ]);
  });
}

export async function restoreVerb(
  config: Config,
  file: string,
  { replace = false }: BackupFlags,
  printer: Printer,
): Promise<void> {
  const gateway = runningGateway(config.data);
  if (gateway !== undefined)
    throw operatorError(
      `a gateway (${named(gateway)}) serves "${config.data}"; end it first, or name another ` +
        'folder with --data DIR',
    );
  const restored = await restore(resolve(file), config.data, {
    replace,
    redactor: redactorOf(config.redact),
    progress: (what) => printer.line(what),
  });
  printer.result(restored, [
    `"${config.data}" is as it was on ${new Date(restored.madeAt).toISOString()}: ${restored.steps} steps`,
    ...(restored.before === undefined
      ? []
      : [`what was there is in ${restored.before}; no deletion reaches it, delete it when you do not need it`]),
  ]);
}
