/** The dashboard: well formed, and asking only for metrics and labels this gateway has. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { parseExposition, type Family } from '../fakes/exposition.js';
import { inTurn } from '../fakes/engine.js';
import { startGateway, until, type Gateway } from '../fakes/gateway.js';
import { read } from '../guards/tree.js';

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly {
    readonly expr: string;
    readonly refId: string;
    readonly legendFormat: string;
    readonly datasource: { readonly uid: string };
  }[];
}
interface Dashboard {
  readonly title: string;
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly {
      readonly name: string;
      readonly type: string;
      readonly query: unknown;
      readonly definition?: string;
    }[];
  };
  readonly annotations: { readonly list: readonly { readonly expr?: string }[] };
}

const dashboard = JSON.parse(read('grafana/gyre.json')) as Dashboard;
const targets = dashboard.panels.flatMap((panel) => panel.targets ?? []);
const asked = [
  ...targets.map(({ expr }) => expr),
  ...dashboard.annotations.list.flatMap(({ expr }) => expr ?? []),
  ...dashboard.templating.list.flatMap(({ definition }) => definition ?? []),
];

let gateway: Gateway;
let families: Map<string, Family>;
/** A gateway of which everything was asked once, so that every label is there. */
beforeAll(async () => {
  gateway = await startGateway({
    script: inTurn({ calls: [{ name: 'calculator', arguments: '{"expression":"x+y"}' }] }, { text: 'one two' }),
    deps: {
      learning: () => ({
        head: 0,
        cycles: { running: 0, done: 0, failed: 0, skipped: 0 },
        update: { version: 1, numbers: { ratio_histogram: { edges: [1], tokens: [2, 3] } }, alarms: [] },
        drifts: [
          {
            ...{ version: 1, judge: 'critic', judgeVersion: '1', measure: 'outcome', n: 40, value: 0.1 },
            ...{ ci95: [0, 0.2], bound: 0.3, alarm: false, createdAt: 1 },
          },
        ],
      }),
    },
  });
  await gateway.client.chat.completions.create({ model: 'gyre', messages: [{ role: 'user', content: 'hi' }] });
  await until(() => gateway.app.inFlight() === 0, 'the end');
  families = parseExposition(await (await fetch(`${gateway.url}/metrics`)).text());
});
afterAll(async () => gateway.close());

describe('the dashboard', () => {
  it('can be imported: the last schema of its kind, a data source to choose, panels that do not overlap', () => {
    expect(dashboard).toMatchObject({ title: 'Gyre', uid: 'gyre', schemaVersion: 42 });
    expect(dashboard.templating.list[0]).toMatchObject({ name: 'datasource', type: 'datasource', query: 'prometheus' });
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    for (const panel of dashboard.panels.filter(({ type }) => type !== 'row')) {
      expect(panel.datasource).toEqual({ type: 'prometheus', uid: '${datasource}' });
      expect(panel.targets?.every((target) => target.datasource.uid === '${datasource}')).toBe(true);
      expect(new Set(panel.targets?.map(({ refId }) => refId)).size).toBe(panel.targets?.length);
    }
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(dashboard.panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true);
  });

  it('asks for nothing that /metrics does not have', () => {
    const names = new Set(
      [...families].flatMap(([name, { type }]) =>
        type === 'histogram' ? ['bucket', 'sum', 'count'].map((part) => `${name}_${part}`) : [name],
      ),
    );
    const wanted = asked.flatMap((expr) => expr.match(/\bgyre_[a-z_]+/g) ?? []);
    expect(wanted.length).toBeGreaterThan(30);
    expect(wanted.filter((name) => !names.has(name))).toEqual([]);
  });

  it('shows every metric there is', () => {
    const all = asked.join('\n');
    expect([...families.keys()].filter((name) => !new RegExp(`\\b${name}(_bucket)?\\b`).test(all))).toEqual([]);
  });

  it('groups by, filters by and writes out labels that are there', () => {
    const labels = new Set([
      'instance',
      'le',
      ...[...families.values()].flatMap(({ samples }) => samples.flatMap((sample) => Object.keys(sample.labels))),
    ]);
    const used = [
      ...asked.flatMap((expr) =>
        [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap((match) => (match[1] ?? '').split(', ')),
      ),
      ...asked.flatMap((expr) => [...expr.matchAll(/([a-z_]+)=~?"/g)].map((match) => match[1] ?? '')),
      ...targets.flatMap(({ legendFormat }) =>
        [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1] ?? ''),
      ),
    ];
    expect(used.length).toBeGreaterThan(30);
    expect(used.filter((label) => !labels.has(label))).toEqual([]);
  });

  it('closes what it opens in every expression', () => {
    for (const expr of asked)
      for (const [open, close] of ['()', '{}', '[]'] as const)
        expect(expr.split(open ?? '').length, expr).toBe(expr.split(close ?? '').length);
  });
});
