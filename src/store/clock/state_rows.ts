/** States that may be drawn from, counted from the log as it comes. */
import type { StateRows } from '../../core/ports.js';
import type { Db } from '../file/db.js';
import { fold } from '../states/fold.js';
import { openStates } from '../states/open_states.js';
import { reasonsBy, tallyOf, trajectoriesBy } from '../states/tally.js';
import { visited } from '../states/visits.js';

export function stateRows(db: Db, policy: string): StateRows {
  return {
    async count(rule) {
      return fold(db, policy, rule);
    },
    async tally(rule, bounds) {
      return tallyOf(db, policy, { rule, ...bounds });
    },
    async reasons(rules) {
      return reasonsBy(db, policy, rules);
    },
    async trajectories(rules) {
      return trajectoriesBy(db, policy, rules);
    },
    async open(query) {
      return openStates(db, policy, query);
    },
    async visited(list) {
      visited(db, policy, list);
    },
  };
}
