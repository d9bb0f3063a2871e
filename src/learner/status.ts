/** What learning waits for, with counts per reason: the answer to "why is nothing training?". Pure. */
import type { Config } from '../core/config.js';
import type { TrainMode } from '../core/learning/cycle.js';
import type { StatusFacts } from '../core/learning/status.js';
import { shownWhen } from '../core/judging/calibration.js';
import { driftSaid } from '../core/judging/drift.js';
import { type JudgeStanding, type PresentJudge, standingsOf } from '../core/judging/standing.js';
import { standingView } from '../core/judging/views.js';
import { canaryView, cycleView, type LearningStatus } from '../core/learning/views.js';
import type { StatusQuery } from '../core/ports.js';
import { restsUntil } from './schedule.js';
import { available, boundsIn, ruleIn } from './states.js';
import { headLost, UNGATED } from './training.js';

/** What is up to learn. */
export interface LearningPart {
  readonly trainer: boolean;
  readonly learn: boolean;
  /** As they are configured now; none where nobody says. */
  readonly judges?: readonly PresentJudge[] | undefined;
}

/** What is asked of the rows. */
export function statusQuery(config: Config, keyId?: string): StatusQuery {
  const mode = config['learning.mode'] as TrainMode;
  return { ruleAt: (head) => ruleIn(config, head), boundsAt: (head) => boundsIn(config, mode, head), keyId };
}

/**
 * As one key may see it where the facts are a key's: it is told of its own states and of the cycles that took them up,
 * and of the rest only what it sees by being answered.
 */
export function learningStatus(
  facts: StatusFacts,
  config: Config,
  part: LearningPart,
  now: number = Date.now(),
): LearningStatus {
  const { tally, running, newest, ...told } = facts;
  const [first] = newest;
  const last = newest.find(({ state }) => state !== 'running');
  const common = {
    serving: told.serving,
    head: told.head,
    versions: told.versions,
    learn: part.learn,
    needed_states: config['learning.min_steps'],
    last: last === undefined ? null : cycleView(last),
  };
  if (tally.keyId !== undefined)
    return {
      ...common,
      waiting_for:
        running === undefined ? `a cycle: it would find ${tally.open} states of this key` : 'the end of a cycle',
      new_states: tally.open,
      dropped: tally.dropped,
      heldout_tasks: null,
      unknown_judge: null,
      running: first?.state === 'running' ? cycleView(first) : null,
      canary: null,
      bursts: null,
      judges: null,
      drift: null,
    };
  const { states, over } = available(tally, told.heardLately, config);
  const standings = standingsNow(facts, config, part);
  return {
    ...common,
    waiting_for: waiting(facts, config, part, standings, now),
    new_states: states,
    dropped: over === 0 ? tally.dropped : { ...tally.dropped, key_share: over },
    heldout_tasks: told.heldoutTasks,
    unknown_judge: told.unknownJudged,
    running: running === undefined ? null : cycleView(running),
    canary: told.canary === undefined ? null : canaryView(told.canary),
    bursts: told.bursts,
    judges: standings.map(standingView),
    drift: told.drifts.filter(({ alarm }) => alarm).map(driftSaid),
  };
}

function standingsNow(
  { calibrations }: StatusFacts,
  config: Config,
  { judges = [] }: LearningPart,
): readonly JudgeStanding[] {
  const { items, accuracy, false_accept: falseAccept } = config.calibration;
  return standingsOf({
    rewards: config['learning.rewards'],
    judges,
    calibrations,
    bounds: { items, accuracy, falseAccept, shown: shownWhen(config['learning.mode']) },
  });
}

/** Those that are named to reward, and only filter as long as they are not shown to be right. */
function onlyFilter(standings: readonly JudgeStanding[], config: Config): string {
  return standings
    .filter(({ name, mayReward }) => !mayReward && config['learning.rewards'].includes(name))
    .map(({ name, why }) => `; "${name}" only filters: ${why}`)
    .join('');
}

function waiting(
  facts: StatusFacts,
  config: Config,
  part: LearningPart,
  standings: readonly JudgeStanding[],
  now: number,
): string {
  const { running, tally, newest } = facts;
  const needed = config['learning.min_steps'];
  if (running !== undefined)
    return `cycle ${running.id} ${running.note === '' ? 'is' : `${running.note}; it is`} at stage "${running.stage}"`;
  if (!part.trainer) return 'a trainer: none is running, and an engine given by address has none of its own';
  if (!part.learn) return 'being asked: learning is off (start with --learn on, or run "gyre learn")';
  const stands = standing(facts);
  if (stands !== undefined) return stands;
  if (standings.length > 0 && !standings.some(({ mayReward }) => mayReward))
    return `a judge that may reward: there is none, so nothing is updated${onlyFilter(standings, config)}`;
  if (tally.counting !== undefined)
    return `the log to be counted: ${tally.counting.done} of ${tally.counting.total} conversations are`;
  const { states, over, part: share } = available(tally, facts.heardLately, config);
  if (states < needed && states + over >= needed)
    return (
      `${needed - states} more states that pass the filter, of other keys (${states} of ${needed}): ${over} more ` +
      `are of keys that have given their share, ${Math.round(100 * share)} % of a batch each ` +
      `("learning.key_share")`
    );
  if (states < needed)
    return `${needed - states} more states that pass the filter (${states} of ${needed}; see "dropped" for the others)`;
  if (config['learning.mode'] === 'resample' && tally.told === 0)
    return (
      `a judge that knows right from wrong: none has decided about any of the ${states} states that pass the filter ` +
      `(tasks with a reference have one)${onlyFilter(standings, config)}`
    );
  const rests = restsUntil(newest) - now;
  if (rests > 0)
    return (
      `a pause of ${Math.ceil(rests / 1000)} s to end: the last cycle made nothing` +
      (newest[0] === undefined || newest[0].note === '' ? '' : ` (${newest[0].note})`)
    );
  return facts.heldoutTasks === 0
    ? 'its turn; note that without held-out tasks nothing can be promoted'
    : 'its turn: the next cycle is about to start';
}

/** What no new state helps against. */
function standing({ head, ungated, newest, heldoutTasks }: StatusFacts): string | undefined {
  const last = newest.find(({ state }) => state !== 'running');
  if (last?.counts['head_lost'] === 1 && last.baseVersion === head) return headLost(head);
  if (ungated < UNGATED) return undefined;
  return (
    `a gate: the head, version ${head}, is ${ungated} updates from the last one, and nothing is trained before; ` +
    (heldoutTasks === 0 ? 'there are no held-out tasks: add some ("learning.heldout")' : 'the next cycle holds it')
  );
}
