/** What is judged and by what: tasks, verdicts, samples, and whose steps they are. */
import type { DeclaredJudge } from '../../core/learning/deciding.js';
import type { DemonstrationRows, GiverRows, SampleRows, TaskRows, VerdictRows } from '../../core/ports.js';
import type { Db } from '../file/db.js';
import { openDemonstrations, saveRendered, unrendered } from '../labels/demonstrations.js';
import { hearEarlier } from '../labels/ratings.js';
import { hearLog } from '../labels/signals.js';
import { giversOf, heardLately } from '../learning/givers.js';
import { groupsOf, openGroups, saveGroup, settleGroups } from '../learning/groups.js';
import { samplesOf } from '../learning/samples.js';
import { countTasks, saveTasks, tasksOf } from '../learning/tasks.js';
import { redecide, unknownJudged } from '../learning/decided.js';
import { saveJudged, spentOf, timesSpent, verdictsOf } from '../learning/verdicts.js';
import { generatedOn } from './generated.js';
import { unjudged } from './unjudged.js';

export function taskRows(db: Db): TaskRows {
  return {
    async save(tasks) {
      saveTasks(db, tasks);
    },
    async of(split) {
      return tasksOf(db, split);
    },
    async count(split) {
      return countTasks(db, split);
    },
    async generated(taskIds, since) {
      return generatedOn(db, taskIds, since);
    },
  };
}

/** `judges`: read at every use, since a calibration may change who decides. */
export function verdictRows(db: Db, judges: () => readonly DeclaredJudge[]): VerdictRows {
  return {
    async unjudged(asking, limit, now) {
      return unjudged(db, asking, limit, now);
    },
    async save(judged, turn) {
      saveJudged(db, judged, turn, { judges: judges() });
    },
    async overheard() {
      return hearEarlier(db) || hearLog(db);
    },
    async redecide() {
      return redecide(db, judges());
    },
    async spent(judge, since) {
      return spentOf(db, judge, since);
    },
    async timesSpent(judge, since) {
      return timesSpent(db, judge, since);
    },
    async of(kind, ids) {
      return verdictsOf(db, kind, ids);
    },
    async unknownJudged() {
      return unknownJudged(db);
    },
  };
}

export function sampleRows(db: Db, policy: string): SampleRows {
  return {
    async of(cycleId) {
      return samplesOf(db, policy, cycleId);
    },
    async save(group) {
      return saveGroup(db, policy, group);
    },
    async groups(cycleId) {
      return groupsOf(db, policy, cycleId);
    },
    async open(cycleId) {
      return openGroups(db, policy, cycleId);
    },
    async settle(settled) {
      settleGroups(db, policy, settled);
    },
  };
}

export function demonstrationRows(db: Db, policy: string): DemonstrationRows {
  return {
    async unrendered(template, after, limit) {
      return unrendered(db, template, after, limit);
    },
    async save(rendered) {
      saveRendered(db, rendered);
    },
    async open(template, limit) {
      return openDemonstrations(db, policy, template, limit);
    },
  };
}

export function giverRows(db: Db): GiverRows {
  return {
    async of(stepIds) {
      return giversOf(db, stepIds);
    },
    async heardLately() {
      return heardLately(db);
    },
  };
}
