/** The verbs of judges: measuring one against gold items, and showing which may reward. */
import { basename } from 'node:path';

import type { Config } from '../../core/config.js';
import { operatorError } from '../../core/errors.js';
import { newId } from '../../core/ids.js';
import { calibrationOf, type Calibration, type CalibrationNumbers } from '../../core/judging/calibration.js';
import { LEAST_PAIRS, type PairNumbers } from '../../core/judging/pairs.js';
import type { Proportion } from '../../core/judging/proportion.js';
import { type JudgeStanding, standingsOf } from '../../core/judging/standing.js';
import { calibrationView, costView, standingView } from '../../core/judging/views.js';
import { costOfAll, type JudgeCost } from '../../core/learning/judging.js';
import { isPolicy } from '../../core/learning/policy_name.js';
import { nearest } from '../../core/text/nearest.js';
import { type GoldItem, parseGold } from '../../judge/calibration/gold.js';
import type { Learner } from '../../learner/deps.js';
import { calibrate } from '../../learner/judges/calibrating.js';
import { goldFrom, goldOfPeople } from '../../learner/judges/gold.js';
import { comparedOn } from '../../learner/judges/pairing.js';
import { boundsIn, modelsIn } from '../../run/judges/configured.js';
import { pairComparerIn } from '../../run/judges/live.js';
import { presentOf, standingsIn } from '../../run/judges/present.js';
import { type Printer, table } from '../../run/print.js';
import { readText } from '../../run/text_file.js';
import { withRows } from '../../run/rows.js';
import { costsOf } from '../../store/judges/facts.js';

/** Gold that is no file: what people have said of steps. */
const LABELS = 'labels';

/** Every judge there is, whether it may reward, and why. */
export function judgesVerb(config: Config, printer: Printer): Promise<void> {
  return withRows(config, (db) => {
    const standings = standingsIn(config, db);
    const costs = new Map(costsOf(db).map((cost) => [cost.judge, cost]));
    printer.result(
      {
        data: standings.map((standing) => ({
          ...standingView(standing),
          cost: costView(costs.get(standing.name)),
          calibration: standing.calibration === undefined ? null : calibrationView(standing.calibration),
        })),
        has_more: false,
      },
      table([
        ['judge', 'kind', 'version', 'tokens', 'money', 'may reward', 'why'],
        ...standings.map(({ name, kind, version, mayReward, why }) => [
          name,
          kind,
          version ?? '-',
          String((costs.get(name)?.promptTokens ?? 0) + (costs.get(name)?.completionTokens ?? 0)),
          costs.get(name)?.money?.toFixed(2) ?? '-',
          mayReward ? 'yes' : 'no',
          why,
        ]),
      ]),
    );
  });
}

/** Throws where there is no such judge, before anything is opened. */
export function needJudge(config: Config, name: string | undefined): string {
  const names = ['reference', 'follows_observation', 'well_formed', ...config.judges.map((judge) => judge.name)];
  if (name === undefined) throw operatorError(`gyre judge calibrate NAME: which judge? There are ${names.join(', ')}`);
  if (name === 'person')
    throw operatorError('"person" is what people say: judges are calibrated by it, and it is not. Name another judge');
  if (!names.includes(name))
    throw operatorError(
      `there is no judge "${name}". Did you mean "${nearest(name, names)}"? There are ${names.join(', ')}; ` +
        'models are declared by "judges" in the configuration',
    );
  return name;
}

/** Whether to ask it the engine has to be there. */
export function needsEngine({ judges }: Config, name: string): boolean {
  const kindOf = (of: string): string | undefined => judges.find((each) => each.name === of)?.kind;
  const judge = judges.find((each) => each.name === name);
  const onEngine = (kind: string | undefined): boolean => kind === 'rollout' || kind === 'learned';
  return onEngine(judge?.kind) || (judge?.kind === 'panel' && judge.of.some((of) => onEngine(kindOf(of))));
}

/** Asks the judge about gold items, keeps what came of it as a row, and says what the judge may do now. */
export async function calibrateVerb(
  learner: Learner,
  name: string,
  from: string | undefined,
  printer: Printer,
): Promise<void> {
  const { rows, config, signal } = learner;
  const judge = learner.judges.find((each) => each.name === name);
  if (judge === undefined)
    throw operatorError(
      `the judge "${name}" cannot be asked yet: it is trained here, by the learning clock, once there are as many ` +
        'labels as its "min_labels"',
    );
  const items = await itemsFrom(learner, name, from);
  const gold = await goldFrom(learner, items);
  if (gold.subjects.length === 0)
    throw operatorError(
      `of ${items.length} gold items none can be shown to a judge: their steps are gone, or their keys do not consent`,
    );
  if (gold.withheld > 0)
    printer.line(`${gold.withheld} gold items are left out: their steps are gone, or their keys do not consent`);
  const id = newId('cal');
  const costs: JudgeCost[] = [];
  const took = (one: JudgeCost): void => void costs.push(one);
  let numbers: CalibrationNumbers;
  try {
    const isOwn = ownModel(config, name);
    const asking = { signal, progress: printer.progress, took, isOwn };
    numbers = await calibrate(judge, gold.subjects, asking);
    const comparer = pairComparerIn(config, judge, { verdicts: rows.verdicts, asking: modelsIn(config, rows) });
    const pairs = comparer === undefined ? undefined : await comparedOn(comparer, gold.subjects, asking);
    if (comparer !== undefined && pairs === undefined)
      printer.line(
        `how it compares two answers is not measured: that takes ${LEAST_PAIRS} pairs of a good and a bad item ` +
          'of one state; the gate goes by its words',
      );
    numbers = { ...numbers, pairs };
  } finally {
    // Also what came to nothing was paid for.
    if (costs.length > 0) await rows.judges.spend(name, id, costOfAll(costs));
  }
  const cost = costView(costOfAll(costs));
  const bounds = boundsIn(config);
  const source = from === LABELS ? 'labels' : 'file';
  const calibration = calibrationOf(judge, { gold: gold.hash, source, numbers, bounds });
  const standing = async (): Promise<JudgeStanding | undefined> =>
    standingsOf({
      rewards: config['learning.rewards'],
      judges: [presentOf(judge)],
      calibrations: await rows.judges.calibrations(),
      bounds,
    })[0];
  const before = await standing();
  await rows.judges.calibrated(calibration);
  const now = await standing();
  let redecided = false;
  for (;;) {
    signal.throwIfAborted();
    if (!(await rows.verdicts.redecide())) break;
    redecided = true;
  }
  const says = now === undefined ? '' : sentence(now, before);
  printer.result(
    {
      ...calibrationView(calibration),
      cost,
      may_reward: now?.mayReward ?? false,
      says,
    },
    [...shown(calibration), ...(redecided ? ['what was decided before was decided anew'] : []), says],
  );
}

async function itemsFrom(learner: Learner, name: string, from: string | undefined): Promise<readonly GoldItem[]> {
  if (from === undefined)
    throw operatorError(
      '--gold is needed: FILE, JSON lines of {"messages", "text" or "calls", "good"} or {"step_id", "good"}; or ' +
        `"${LABELS}", which is what people have said of logged steps`,
    );
  if (from === LABELS) {
    const items = await goldOfPeople(learner, name);
    if (items.length > 0) return items;
    throw operatorError(
      'there is no gold: nobody has said of a logged step that it is good or bad yet. Label some, or give --gold FILE',
    );
  }
  return parseGold(readText(from, `--gold is "${from}", which`), from);
}

/**
 * Whether an author is the judge's own model: the same name, or the policy where the judge is made of its model, as one
 * that is trained here is; of a panel whether it is that of a member.
 */
function ownModel(config: Config, name: string): (by: string) => boolean {
  const judge = config.judges.find((each) => each.name === name);
  if (judge?.kind === 'panel') {
    const members = judge.of.map((member) => ownModel(config, member));
    return (by) => members.some((isOwn) => isOwn(by));
  }
  if (judge?.kind === 'learned') return isPolicy;
  if (judge?.kind !== 'model') return () => false;
  const { model } = judge;
  const path = config['model.path'];
  const policys = [config['engine.model'], path, path === undefined ? undefined : basename(path)];
  const isPolicys = isPolicy(model) || policys.includes(model);
  return (by) => by === model || (isPolicys && isPolicy(by));
}

function sentence({ name, mayReward, why }: JudgeStanding, before: JudgeStanding | undefined): string {
  if (mayReward) return `"${name}" may reward${before?.mayReward === true ? '' : ' from now on'}: ${why}`;
  return `"${name}" ${before?.mayReward === true ? 'may not reward any more' : 'only filters'}: ${why}`;
}

function shown({ judge, judgeVersion, numbers }: Calibration): string[] {
  const { n, abstained, faults, accuracy, falseAccept, falseReject, kappa, alpha, selfPreference } = numbers;
  return [
    `${judge}@${judgeVersion} on ${n} gold items (of ${abstained} it told nothing, at ${faults} it failed)`,
    ...table([
      ['', 'share', '95 % interval', 'of'],
      share('accuracy', accuracy),
      share('false accept', falseAccept),
      share('false reject', falseReject),
      ...numbers.clusters.map((cluster) => share(`accuracy, ${cluster.name}`, cluster.accuracy)),
      ...(selfPreference === undefined
        ? []
        : [
            share('false accept, of its own model', selfPreference.own),
            share('false accept, of others', selfPreference.others),
          ]),
    ]),
    `Cohen's kappa ${kappa.toFixed(3)}, Krippendorff's alpha ${alpha?.toFixed(3) ?? '-'}`,
    ...table([
      ['score', 'good', 'of'],
      ...numbers.curve.map((point) => [point.score.toFixed(2), point.good.toFixed(3), String(point.n)]),
    ]),
    ...(numbers.pairs === undefined ? [] : [compared(numbers.pairs)]),
    `the scores are off by ${numbers.miscalibration.toFixed(3)} on average`,
    ...table([
      ['probe', 'moved', 'of', 'may'],
      ...numbers.probes.map(({ name, moved, tried, bound }) => [
        name,
        String(moved),
        String(tried),
        bound === undefined ? '-' : String(bound),
      ]),
    ]),
  ];
}

function compared({ n, right, wrong }: PairNumbers): string {
  return `of ${n} pairs of a good and a bad item it preferred the good one in ${right}, the bad one in ${wrong}`;
}

function share(name: string, { accuracy, n, ci95 }: Proportion): string[] {
  return [name, accuracy.toFixed(3), `[${ci95[0].toFixed(3)}, ${ci95[1].toFixed(3)}]`, String(n)];
}
