/** `gyre log`: what of the log waits in the intake, and what was set aside. */
import type { Config } from '../../core/config.js';
import { operatorError } from '../../core/errors.js';
import { redactorOf } from '../../core/text/redact.js';
import type { Printer } from '../../run/print.js';
import { withRows } from '../../run/rows.js';
import { settle } from '../../store/beside/recover.js';

export interface LogFlags {
  readonly discard?: boolean | undefined;
}

/** False where something is still set aside. */
export function logVerb(config: Config, what: string, flags: LogFlags, printer: Printer): Promise<boolean> {
  if (what !== 'settle') throw operatorError(`there is no "gyre log ${what}": it is "gyre log settle"`);
  return withRows(config, async (_, store) => {
    const discards = flags.discard === true;
    const settled = await settle(store, config.data, discards, { redactor: redactorOf(config.redact) });
    const left = settled.filter(({ reasons }) => reasons.length > 0);
    printer.result({ settled: settled.length - left.length, left }, [
      `${settled.length - left.length} files that were set aside are in the log now`,
      ...left.flatMap(({ file, reasons }) => reasons.map((reason) => `${file}: ${reason}`)),
      ...(left.length === 0
        ? []
        : [
            discards
              ? 'what could not be committed of them is deleted'
              : 'what could not be committed stays there; "gyre log settle --discard" deletes it',
          ]),
    ]);
    return left.length === 0 || discards;
  });
}
