/**
 * `gyre label`: the queue of steps on a terminal, one key a label; or one label by flags, or many from a file. It
 * writes into the data folder, also while a gateway serves it.
 */
import { userInfo } from 'node:os';

import type { Config } from '../../core/config.js';
import { asGyreError, operatorError } from '../../core/errors.js';
import { type LabelView, NewLabel, Withdrawal } from '../../core/judging/labels.js';
import { faultOf } from '../../core/check.js';
import { parseJson } from '../../core/text/json.js';
import { redactorOf } from '../../core/text/redact.js';
import type { Printer } from '../../run/print.js';
import { labelled } from '../../run/reading/calls.js';
import { withRows } from '../../run/rows.js';
import { readText } from '../../run/text_file.js';
import { labelQueue } from '../../store/clock/label_queue.js';
import { answerQueue, keysOf } from './label_desk.js';

export interface LabelFlags {
  readonly step?: string | undefined;
  readonly trajectory?: string | undefined;
  readonly good?: boolean | undefined;
  readonly bad?: boolean | undefined;
  readonly unsure?: boolean | undefined;
  readonly comment?: string | undefined;
  readonly demonstration?: string | undefined;
  readonly withdraw?: string | undefined;
  readonly file?: string | undefined;
  readonly count?: string | undefined;
}

/** Steps that are drawn at once. */
const DRAWN = 20;

export function labelVerb(config: Config, flags: LabelFlags, printer: Printer): Promise<void> {
  const list = flags.file === undefined ? givenIn(flags) : linesOf(flags.file);
  const most = mostOf(flags);
  return withRows(config, async (db) => {
    const held = { db, redactor: redactorOf(config.redact) };
    const add = (label: NewLabel | Withdrawal): LabelView => labelled(held, [label], who())[0] as LabelView;
    if (list !== undefined) {
      const added = labelled(held, list, who());
      return printer.result(
        added,
        added.map(({ id, step_id: step, withdraws, good }) =>
          withdraws !== null ? `${withdraws} is taken back (${id})` : `${id}: step ${step} is ${wordOf(good)}`,
        ),
      );
    }
    const done = await answerQueue(
      {
        next: () => labelQueue(db, DRAWN),
        label: add,
        takeBack: (id) => void add({ withdraw: id }),
        write: (text) => void process.stderr.write(text),
      },
      keysOf(process.stdin),
      most,
    );
    printer.result(done, [
      `${done.good + done.bad + done.unsure} labels: ${done.good} good, ${done.bad} bad, ${done.unsure} cannot say; ` +
        `${done.skipped} skipped, ${done.taken_back} taken back`,
    ]);
  });
}

/** The label that the flags say; undefined where they say none, and the queue is meant. */
function givenIn(flags: LabelFlags): readonly (NewLabel | Withdrawal)[] | undefined {
  const { step, trajectory, withdraw, comment, demonstration } = flags;
  if (withdraw !== undefined) return [{ withdraw }];
  const said = [flags.good === true, flags.bad === true, flags.unsure === true].filter(Boolean).length;
  if (step === undefined && trajectory === undefined) {
    if (said > 0 || comment !== undefined || demonstration !== undefined)
      throw operatorError('which step? Add --step ID, or --trajectory ID for its answer');
    return undefined;
  }
  if (said !== 1) throw operatorError('say one of --good, --bad and --unsure');
  return [
    labelIn(
      {
        step_id: step,
        trajectory_id: trajectory,
        good: flags.unsure === true ? null : flags.good === true,
        comment,
        demonstration: demonstration === undefined ? undefined : { content: demonstration },
      },
      'the flags',
    ),
  ];
}

/** Bodies of `POST /gyre/v1/labels`, one a line. */
function linesOf(file: string): readonly (NewLabel | Withdrawal)[] {
  const text = readText(file, `"${file}"`);
  const lines = text.split('\n').flatMap((line, at) => (line.trim() === '' ? [] : [{ line, at: at + 1 }]));
  return lines.map(({ line, at }) => {
    let value: unknown;
    try {
      value = parseJson(line);
    } catch (thrown) {
      throw operatorError(`${file}:${at} is no JSON: ${asGyreError(thrown).message}`);
    }
    return labelIn(value, `${file}:${at}`);
  });
}

function labelIn(value: unknown, where: string): NewLabel | Withdrawal {
  const isWithdrawal = typeof value === 'object' && value !== null && 'withdraw' in value;
  const parsed = isWithdrawal ? Withdrawal.safeParse(value) : NewLabel.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, says } = faultOf(parsed.error, value);
  throw operatorError(`${where}: "${path.join('.')}" ${says}`);
}

function mostOf({ count }: LabelFlags): number {
  if (count === undefined) return Number.POSITIVE_INFINITY;
  if (!/^[1-9]\d{0,6}$/.test(count))
    throw operatorError(`--count is "${count}"; it must be a whole number of at least 1`);
  return Number(count);
}

function wordOf(good: boolean | null): string {
  return good === null ? 'one that nobody can tell of' : good ? 'good' : 'bad';
}

/** Whoever sits at the console. */
function who(): string {
  try {
    return `console:${userInfo().username}`;
  } catch {
    return 'console';
  }
}
