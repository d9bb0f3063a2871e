/**
 * The operator's verbs over rows: status, promote, rollback, restart, verify, index. None of them needs an engine but
 * rollback and restart.
 */
import { openCollection } from '../../../tools/documents/collections.js';
import { indexDocuments } from '../../../tools/documents/indexing.js';
import type { Config } from '../../core/config.js';
import { operatorError, reasonOf } from '../../core/errors.js';
import type { Update } from '../../core/learning/alarms.js';
import type { StatusFacts } from '../../core/learning/status.js';
import { GYRE_POLICY } from '../../core/learning/policy_name.js';
import { adapterName, isVersionNumber } from '../../core/learning/version.js';
import { decisionView, type ListedVersion, versionView } from '../../core/learning/views.js';
import { promote, restart, rollback } from '../../learner/promoting.js';
import { versionPage } from '../../store/clock/lists.js';
import { learningStatus, statusQuery } from '../../learner/status.js';
import { learningStore } from '../../store/clock/open.js';
import { presentJudges } from '../../run/judges/present.js';
import { withRows } from '../../run/rows.js';
import { withLearner } from '../../run/with_learner.js';
import { statusFacts } from '../../store/clock/status_facts.js';
import type { Db } from '../../store/file/db.js';
import { bytesIn, quarantinedIn } from '../../store/intake/files.js';
import { isPassing } from '../../store/file/passing.js';
import { headVersion } from '../../store/learning/decisions.js';
import { updateOf } from '../../store/learning/updates.js';
import { allVersions } from '../../store/learning/versions.js';
import { fold } from '../../store/states/fold.js';
import { type Report, verify } from '../../store/proof/verify.js';
import { needTrainer } from '../../run/learner.js';
import { UNTRAINABLE } from '../../run/machine.js';
import { type Presence, runningGateway } from '../../run/presence.js';
import { type Printer, table } from '../../run/print.js';
import { withdrawnTools } from './tools.js';

/** So long a verb counts what is new in the log. */
const COUNT_MS = 500;

export function statusVerb(config: Config, printer: Printer): Promise<void> {
  return withRows(config, async (db) => {
    const gateway = runningGateway(config.data);
    const log = await logStatus(config.data, gateway);
    const trainer = gateway?.trainer !== undefined;
    const found = learningStatus(counted(db, config), config, {
      trainer,
      learn: gateway?.learn ?? config.learn,
      judges: presentJudges(config, db),
    });
    const status =
      trainer || UNTRAINABLE === undefined ? found : { ...found, waiting_for: `a trainer: ${UNTRAINABLE}` };
    const withdrawn = withdrawnTools(config);
    const shown = {
      gateway: gateway === undefined ? null : gatewayView(gateway),
      ...status,
      withdrawn_tools: withdrawn,
      log,
    };
    printer.result(shown, [
      `gateway: ${gateway === undefined ? 'not running' : (gateway.url ?? `process ${gateway.pid} does not listen`)}`,
      `serving ${adapterName(status.serving)}, head ${adapterName(status.head)}, ` +
        `${allVersions(db, GYRE_POLICY).length} versions made`,
      `waiting for: ${status.waiting_for}`,
      `states that pass the filter: ${status.new_states} of ${status.needed_states}`,
      ...Object.entries(status.dropped).map(([reason, count]) => `  dropped, ${reason}: ${count}`),
      ...(status.canary === null
        ? []
        : [
            `canary: version ${status.canary.version} answers ${(100 * status.canary.share).toFixed(0)} % of the ` +
              `conversations; ${status.canary.conversations.candidate} were read, and ` +
              `${status.canary.conversations.serving} of the rest`,
          ]),
      ...((status.unknown_judge ?? 0) === 0
        ? []
        : [`a judge that nobody has declared has spoken of ${status.unknown_judge} subjects; it decides nothing`]),
      ...(status.judges ?? []).map(
        ({ name, may_reward: may, why }) => `judge ${name} ${may ? 'may reward' : 'only filters'}: ${why}`,
      ),
      ...(status.drift ?? []).map((says) => `nothing is promoted, since ${says}`),
      ...(status.bursts ?? []).map(
        ({ key_id: id, name, answers, minutes, usual }) =>
          `a burst: key ${id} (${name}) was given ${answers} answers in ${minutes} minutes, usually ${usual}`,
      ),
      ...(withdrawn.length === 0
        ? []
        : [`withdrawn tools, because their definition changed: ${withdrawn.join(', ')} ("gyre tools list" shows how)`]),
      ...logLines(log),
      ...(status.last === null ? [] : [`last cycle: ${status.last.state}: ${status.last.note}`]),
    ]);
  });
}

/** What is new in the log is counted first, as far as that takes no time, and nobody else holds the database. */
function counted(db: Db, config: Config): StatusFacts {
  const query = statusQuery(config);
  const until = performance.now() + COUNT_MS;
  try {
    while (performance.now() < until && fold(db, GYRE_POLICY, query.ruleAt(headVersion(db, GYRE_POLICY))));
  } catch (thrown) {
    if (!isPassing(thrown)) throw thrown;
  }
  return statusFacts(db, GYRE_POLICY, query);
}

/** As the gateway's `/health` has it, and what lies in the intake; of a gateway that does not answer only that. */
interface LogStatus {
  readonly state: string;
  readonly uncommitted?: { readonly answers: number; readonly bytes: number };
  readonly waiting_since?: string | null;
  readonly reason?: string | null;
  readonly intake_bytes: number;
  /** Files that were set aside. */
  readonly unsettled: readonly string[];
}

async function logStatus(dataDir: string, gateway: Presence | undefined): Promise<LogStatus> {
  const files = { intake_bytes: bytesIn(dataDir), unsettled: quarantinedIn(dataDir) };
  if (gateway === undefined) return { state: 'not running', ...files };
  if (gateway.url === undefined) return { state: 'unknown', reason: 'the gateway does not listen', ...files };
  try {
    const health = await fetch(`${gateway.url}/health`, { signal: AbortSignal.timeout(2_000) });
    const { log } = (await health.json()) as { readonly log: Omit<LogStatus, 'intake_bytes' | 'unsettled'> };
    return { ...log, ...files };
  } catch (thrown) {
    return { state: 'unknown', reason: `the gateway does not answer: ${reasonOf(thrown)}`, ...files };
  }
}

function logLines({ state, uncommitted, waiting_since: since, reason, unsettled }: LogStatus): string[] {
  return [
    ...(state !== 'waiting'
      ? []
      : [
          `the log waits since ${since ?? '?'}: ${reason ?? ''}; ${uncommitted?.answers ?? 0} answers ` +
            `(${uncommitted?.bytes ?? 0} bytes) are kept until it goes on`,
        ]),
    ...(unsettled.length === 0
      ? []
      : [`${unsettled.length} files of answers were set aside; "gyre log settle" reads them again`]),
  ];
}

function gatewayView({ pid, startTime, url, learn, trainer }: Presence): Readonly<Record<string, unknown>> {
  return { pid, start_time: startTime, url: url ?? null, learn, trainer: trainer ?? null };
}

export function promoteVerb(config: Config, text: string, printer: Printer): Promise<void> {
  return withRows(config, async (db) => {
    if (!isVersionNumber(text)) throw operatorError(`"${text}" is not a version number`);
    // A gateway on this folder sees the row within a second and follows it.
    const rows = learningStore(db, GYRE_POLICY);
    const decision = await promote({ rows, decided: () => Promise.resolve() }, Number(text));
    printer.result(decisionView(decision), [`serving version ${decision.version} from now on: ${decision.reason}`]);
  });
}

export async function rollbackVerb(config: Config, printer: Printer, signal: AbortSignal): Promise<void> {
  await withLearner(config, printer, signal, true, async (learner) => {
    const version = await rollback(learner, needTrainer(learner.trainer), 'asked for on the command line');
    printer.result(versionView(version), [
      `serving version ${version.version} from now on, with the weights of version ${version.copyOf ?? 0}`,
    ]);
  });
}

/** Without a number: from the newest version that the trainer has. */
export async function restartVerb(
  config: Config,
  text: string | undefined,
  printer: Printer,
  signal: AbortSignal,
): Promise<void> {
  if (text !== undefined && !isVersionNumber(text)) throw operatorError(`"${text}" is not a version number`);
  const from = text === undefined ? undefined : Number(text);
  await withLearner(config, printer, signal, true, async (learner) => {
    const version = await restart(learner, needTrainer(learner.trainer), from, 'asked for on the command line');
    const serving = await learner.rows.versions.serving();
    printer.result(versionView(version), [
      `version ${version.version} is the head from now on, with the weights of version ${version.copyOf ?? 0}; ` +
        `version ${serving} serves`,
    ]);
  });
}

/**
 * Every version, newest first: what it is, how far its update moved the policy (nats a token) and whether that raised
 * an alarm, what was decided about it, and whether its weights are still there.
 */
export function versionsVerb(config: Config, printer: Printer): Promise<void> {
  return withRows(config, (db) => {
    const { data } = versionPage(db, GYRE_POLICY, { limit: Number.MAX_SAFE_INTEGER - 1 }, undefined);
    const decided = ({ decisions }: ListedVersion): string => {
      const last = decisions.find(({ kind }) => kind !== 'parity');
      return last === undefined ? '-' : `${last.kind} ${last.passed ? 'passed' : 'refused'}`;
    };
    const is = ({ serving, head }: ListedVersion): string =>
      [...(serving ? ['serving'] : []), ...(head ? ['head'] : [])].join(', ') || '-';
    const updates = data.map(({ version }) => updateOf(db, GYRE_POLICY, version));
    const nats = (value: number | undefined): string => value?.toPrecision(2) ?? '-';
    const moved = (update: Update | undefined): string => {
      const { kl_before, step_scale: scale = 1 } = update?.numbers ?? {};
      return nats(kl_before) + (scale === 1 ? '' : ` (at ${scale} of the step)`);
    };
    printer.result(data, [
      ...table([
        ['version', 'kind', 'from', 'is', 'moved', 'from base', 'alarms', 'last decision', 'weights'],
        ...data.map((row, at) => [
          String(row.version),
          row.kind,
          String(row.copy_of ?? row.parent ?? '-'),
          is(row),
          moved(updates[at]),
          nats(updates[at]?.numbers.kl_base),
          updates[at]?.alarms.map(({ name }) => name).join(', ') || '-',
          decided(row),
          row.weights_removed_at === null
            ? 'there'
            : `removed on ${new Date(1000 * row.weights_removed_at).toISOString().slice(0, 10)}`,
        ]),
      ]),
      ...data.flatMap(decisionLines),
      ...updates.flatMap((update) =>
        (update?.alarms ?? []).map(({ reason }) => `alarm at the update to version ${update?.version ?? 0}: ${reason}`),
      ),
      ...(data.length === 0 ? ['no version was made yet: version 0, the model itself, serves'] : []),
    ]);
  });
}

/** What was decided of a version, newest first, each in the sentence that its row has. */
function decisionLines({ version, decisions }: ListedVersion): string[] {
  return decisions
    .filter(({ kind, passed }) => kind !== 'parity' || !passed)
    .map(({ kind, passed, against, reason }) => {
      const compared = kind === 'gate' && against !== null ? ` against version ${against}` : '';
      return `version ${version}: ${kind.replace('_', ' ')} ${passed ? 'passed' : 'refused'}${compared}: ${reason}`;
    });
}

/** False when the log does not agree with itself. */
export function verifyVerb(config: Config, printer: Printer): Promise<boolean> {
  return withRows(config, (db) => {
    const report = verify(db, ({ table: name, done, total }) =>
      printer.progress({ stage: 'verify', done, total, note: name }),
    );
    const counted = Object.entries(report.counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ');
    printer.result(
      report,
      report.ok
        ? [`the log is whole: ${counted}`, ...prunedLines(report)]
        : [
            ...report.problems.map((found) => `${found.table} ${found.id}: ${found.problem}`),
            `the log is NOT whole: ${report.problems.length} problems in ${counted}`,
          ],
    );
    return report.ok;
  });
}

function prunedLines({ pruned: { trajectories, steps, rows } }: Report): string[] {
  return rows === 0 ? [] : [`pruned from it were ${trajectories} trajectories with ${steps} steps (${rows} rows)`];
}

/** Where to index into: documents of all, or a collection with a name and a tool of its own. */
export interface IndexFlags {
  readonly as?: string | undefined;
  readonly about?: string | undefined;
}

export function indexVerb(config: Config, dir: string, { as: name, about }: IndexFlags, printer: Printer): void {
  if (name === undefined && about !== undefined)
    throw operatorError('--about says what a collection is about, which needs a name: gyre index DIR --as NAME');
  const into = name === undefined ? config.data : openCollection(config.data, name, about).folder;
  const indexed = indexDocuments(into, dir, ({ done, total, file, skipped }) => {
    if (skipped !== undefined) printer.line(`skipped ${file}: ${skipped}`);
    printer.progress({ stage: 'index', done, total });
  });
  printer.result(indexed, [
    `indexed ${dir}: ${Object.entries(indexed)
      .map(([what, count]) => `${String(count)} ${what}`)
      .join(', ')}`,
    ...(name === undefined ? [] : [`search_${name} finds it; a running gateway has the tool when it starts again`]),
  ]);
}
