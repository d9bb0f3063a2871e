/** Judges as Prometheus reads them: how those that reward do on what serves and on the head, and who is waited for. */
import { Gauge, type Registry } from 'prom-client';

import type { Drift } from '../../core/judging/drift.js';
import type { WaitingJudge } from '../../core/learning/cycle.js';

const LABELS = ['judge', 'measure', 'version'] as const;
type Label = (typeof LABELS)[number];

/** Judges are named by the configuration, and versions are what serves and the head: their number is bounded. */
export function addDriftGauges(registry: Registry, drifts: () => readonly Drift[]): void {
  const add = (name: string, help: string, of: (drift: Drift) => number): void => {
    const gauge: Gauge<Label> = new Gauge({
      name,
      help,
      labelNames: [...LABELS],
      registers: [registry],
      collect: () => {
        gauge.reset();
        for (const drift of drifts())
          gauge.set({ judge: drift.judge, measure: drift.measure, version: String(drift.version) }, of(drift));
      },
    });
  };
  add(
    'gyre_judge_drift',
    'Of a judge that rewards: steps called good less answers that came out right, or its agreement with people.',
    ({ value }) => value,
  );
  add(
    'gyre_judge_drift_alarm',
    'Whether all of the interval of gyre_judge_drift is beyond its bound, which stops promotion.',
    ({ alarm }) => Number(alarm),
  );
}

/** A judge that is away, slow or at its budget has not said anything of so many steps and answers. */
export function addWaitingGauge(registry: Registry, waiting: () => readonly WaitingJudge[]): void {
  const gauge: Gauge<'judge'> = new Gauge({
    name: 'gyre_judge_waiting',
    help: 'Steps and answers that a judge failed at and is asked about again.',
    labelNames: ['judge'],
    registers: [registry],
    collect: () => {
      gauge.reset();
      for (const { judge, subjects } of waiting()) gauge.set({ judge }, subjects);
    },
  });
}
