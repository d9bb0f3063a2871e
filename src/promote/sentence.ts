/** A gate's decision in a sentence: what was asked, what came out, and what would have been enough. Pure. */
import type { Tally } from './look.js';
import type { FamilyNumbers, GateNumbers, LiveNumbers } from './numbers.js';

export function worded(numbers: GateNumbers): string {
  const { stopped, tasks, max_tasks: max, test } = numbers;
  if (numbers.live !== undefined) return comparison(numbers, numbers.live);
  const asked = `of ${whole(tasks)} asked`;
  const own = test === 'sign-ladder/1' ? ", on the gate's own tasks" : '';
  if (stopped === 'futile')
    return `not shown to be better: ${changes(numbers)}, ${asked}, and ${whole(max)} could hardly show more`;
  if (stopped === 'max')
    return `not shown to be better: ${changes(numbers)}, ${asked}, which were all: ${odds(numbers)}${own}`;
  const better = `better: ${changes(numbers)}, ${asked}: ${odds(numbers)}${own}`;
  if (stopped === 'alarm') return `${better}; held back by an alarm: ${numbers.alarms.join(', ')}`;
  const lost = numbers.families.find(({ kept }) => !kept);
  return lost === undefined ? better : `${better}; ${guarded(lost)}`;
}

/** Of held-out conversations, whose answers a judge compared. */
function comparison(numbers: GateNumbers, { seen, gain, margin, untold }: LiveNumbers): string {
  const { stopped, tasks, wins, losses, max_tasks: max } = numbers;
  const above = margin === 0 ? '' : ` than by ${points(margin)}`;
  const unclear = new Set([...untold.candidate, ...untold.serving]).size;
  const told =
    `in ${whole(wins)} of ${whole(tasks)} held-out conversations its answer was found better, ` +
    `in ${whole(losses)} worse` +
    (unclear === 0 ? '' : `, of ${whole(unclear)} the judge could not tell`);
  const truly = `a gain of ${points(gain.difference)} by a judge that sees ${Math.round(100 * seen)} % of one`;
  const text = `${told} (${truly})`;
  if (stopped === 'futile') return `not shown to be better${above}: ${text}, and ${whole(max)} could hardly show more`;
  if (stopped === 'max') return `not shown to be better${above}: ${text}, which were all: ${odds(numbers)}`;
  const better = `better${above}: ${text}: ${odds(numbers)}`;
  return stopped === 'alarm' ? `${better}; held back by an alarm: ${numbers.alarms.join(', ')}` : better;
}

/** Why there is no decision. */
export function undecided({ tasks, answered }: Tally, least: number): string {
  const [who, count] =
    answered.candidate <= answered.serving ? ['candidate', answered.candidate] : ['serving version', answered.serving];
  return `no decision: the ${who} answered ${count} of ${tasks} tasks, and a decision takes ${100 * least} % of both`;
}

function changes({ wins, losses }: GateNumbers): string {
  const changed = wins + losses;
  return changed === 0 ? 'no task changed' : `${wins} of the ${changed} tasks that changed were won`;
}

function odds({ strength, threshold, test }: GateNumbers): string {
  return test !== 'sign-ladder/1'
    ? `odds of ${times(strength)} to 1 against luck, where ${times(threshold)} are needed`
    : `luck does it once in ${times(strength)} times, where once in ${times(threshold)} is needed`;
}

function guarded({ name, low, margin, outcomes, power, needed }: FamilyNumbers): string {
  if (outcomes.length === 0) return `no task of the guarded family ${JSON.stringify(name)} was asked`;
  return (
    `but the family ${JSON.stringify(name)} may have lost ${points(-low)}, and ${points(margin)} must be ruled out: ` +
    `with ${whole(outcomes.length)} tasks an equal candidate is let through ${Math.round(100 * power)} times in 100, ` +
    `with ${whole(needed)} tasks 80 times`
  );
}

function points(share: number): string {
  return `${(100 * share).toFixed(1)} points`;
}

/** e^nats as a person says it. */
function times(nats: number): string {
  const value = Math.exp(nats);
  return value > 1e6 ? 'over a million' : value < 10 ? value.toFixed(1) : whole(Math.round(value));
}

function whole(value: number): string {
  return value.toLocaleString('en-US');
}
