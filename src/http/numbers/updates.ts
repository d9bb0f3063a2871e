/** The newest update as Prometheus reads it. What was not measured has no series, since 0 would be a number. */
import { Gauge, type Registry } from 'prom-client';

import { ALARMS, type Update } from '../../core/learning/alarms.js';
import type { UpdateNumbers } from '../../core/learning/update.js';

interface Shown {
  readonly name: string;
  readonly help: string;
  readonly of: (numbers: UpdateNumbers) => number | undefined;
}

const SHOWN: readonly Shown[] = [
  {
    name: 'gyre_update_kl_before',
    help: 'Nats a token that the newest update moved the policy from the one before it.',
    of: ({ kl_before }) => kl_before,
  },
  {
    name: 'gyre_update_kl_base',
    help: 'Nats a token between the newest trained version and the base.',
    of: ({ kl_base }) => kl_base,
  },
  {
    name: 'gyre_update_entropy',
    help: 'Entropy of the newest trained version, in nats a token.',
    of: ({ entropy }) => entropy,
  },
  {
    name: 'gyre_update_step_scale',
    help: 'Part of the step that the newest update took: 1, or 0.5 where the whole would have gone too far.',
    of: ({ step_scale }) => step_scale,
  },
  {
    name: 'gyre_update_learning_rate',
    help: 'Learning rate of the newest update.',
    of: ({ learning_rate }) => learning_rate,
  },
  {
    name: 'gyre_update_grad_norm',
    help: 'Norm of the gradient of the newest update before it was clipped.',
    of: ({ grad_norm }) => grad_norm,
  },
  {
    name: 'gyre_update_ratio_mean',
    help: 'Mean ratio, over the tokens of the newest update, of what is trained to what sampled them.',
    of: ({ ratio_mean }) => ratio_mean,
  },
  {
    name: 'gyre_update_sample_tokens',
    help: 'Tokens a sample, on average, of those the newest update was made of.',
    of: ({ drawn }) => drawn?.mean_length,
  },
  {
    name: 'gyre_update_tool_call_rate',
    help: 'Share of the samples that called a tool, of those at states where one could be called.',
    of: ({ drawn }) => drawn?.tool_call_rate,
  },
  {
    name: 'gyre_update_parse_failures',
    help: 'Share of the samples with a call that could not be understood.',
    of: ({ drawn }) => drawn?.parse_failures,
  },
  {
    name: 'gyre_update_repeating',
    help: 'Share of the samples that mostly repeat themselves.',
    of: ({ drawn }) => drawn?.repeating,
  },
];

export function addUpdateGauges(registry: Registry, last: () => Update | undefined): void {
  const registers = [registry];
  for (const { name, help, of } of SHOWN) {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers,
      collect: () => {
        const value = of(last()?.numbers ?? {});
        if (value === undefined) gauge.remove();
        else gauge.set(value);
      },
    });
  }
  const ratios: Gauge<'le'> = new Gauge({
    name: 'gyre_update_ratio_tokens',
    help: 'Tokens of the newest update by the ratio of what is trained to what sampled them, up to each edge.',
    labelNames: ['le'],
    registers,
    collect: () => {
      ratios.reset();
      const { edges = [], tokens = [] } = last()?.numbers.ratio_histogram ?? {};
      let sum = 0;
      tokens.forEach((count, at) => {
        sum += count;
        ratios.set({ le: String(edges[at] ?? '+Inf') }, sum);
      });
    },
  });
  const alarms: Gauge<'alarm'> = new Gauge({
    name: 'gyre_update_alarm',
    help: 'Whether a number of the newest update is beyond its bound.',
    labelNames: ['alarm'],
    registers,
    collect: () => {
      const raised = new Set(last()?.alarms.map(({ name }) => name));
      for (const alarm of ALARMS) alarms.set({ alarm }, raised.has(alarm) ? 1 : 0);
    },
  });
}
