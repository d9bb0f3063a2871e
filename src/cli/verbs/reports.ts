/** What was measured of a version, as a table: one column for each way of asking. */
import type { EvaluationReport, Mean } from '../../core/learning/evaluation.js';
import { table } from '../../run/print.js';

export function reportLines(reports: readonly EvaluationReport[]): readonly string[] {
  const judges = [...new Set(reports.flatMap(({ numbers }) => Object.keys(numbers.processLabels)))];
  const tries = [...new Set(reports.flatMap(({ numbers }) => numbers.passAt.map(({ k }) => k)))];
  const row = (name: string, of: (report: EvaluationReport) => string): readonly string[] => [name, ...reports.map(of)];
  return table([
    row('of 1, with its 95 % interval', ({ setting }) => headOf(setting)),
    row('right', ({ numbers }) => share(numbers.right)),
    ...tries.map((k) => row(`pass@${k}`, ({ numbers }) => share(numbers.passAt.find((each) => each.k === k)))),
    row('exact match', ({ numbers }) => share(numbers.exactMatch)),
    row('F1', ({ numbers }) => share(numbers.f1)),
    row('steps that are good', ({ numbers }) => share(numbers.goodSteps)),
    row('trajectories without a bad one', ({ numbers }) => share(numbers.goodTrajectories)),
    ...judges.map((name) =>
      row(`steps that "${name}" calls good`, ({ numbers }) => share(numbers.processLabels[name])),
    ),
    row('steps that call, where one could', ({ numbers }) => share(numbers.toolCallRate)),
    row('steps with a call not understood', ({ numbers }) => share(numbers.parseFailures)),
    row('steps a trajectory', ({ numbers }) => share(numbers.stepsATrajectory)),
    row('tokens a step', ({ numbers }) => share(numbers.tokensAStep)),
    row('tokens a trajectory', ({ numbers }) => share(numbers.tokensATrajectory)),
    row('answers that did not come', ({ numbers }) => String(numbers.unanswered)),
  ]);
}

function headOf({ tools, temperature, samples }: EvaluationReport['setting']): string {
  const how = temperature === 0 ? 'greedy' : `${samples} at ${temperature}`;
  return `${tools ? 'with' : 'without'} tools, ${how}`;
}

function share(mean: Mean | undefined): string {
  if (mean === undefined || mean.n === 0) return '-';
  const rounded = (value: number): string => (Math.abs(value) < 10 ? value.toFixed(3) : value.toFixed(1));
  return `${rounded(mean.mean)} [${mean.ci95.map(rounded).join(', ')}]`;
}
