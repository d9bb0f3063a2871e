/** Who compares answers to live conversations, as it is put together beside the judges. */
import { afterEach, expect, test } from 'vitest';

import { parseConfig } from '../../../src/core/config.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { judgementOf } from '../../../src/judge/one_by_one.js';
import { judgesIn, modelsIn } from '../../../src/run/judges/configured.js';
import { liveJudgeIn } from '../../../src/run/judges/live.js';
import { learningStore } from '../../../src/store/clock/open.js';
import { judgeEndpoint, type JudgeEndpoint } from '../../judge/model/endpoint.js';
import { opened } from '../../store/fixture.js';

let endpoint: JudgeEndpoint | undefined;
afterEach(async () => endpoint?.close());

test('what the judge has taken, and no row says yet, is no more there for who compares by it', async () => {
  endpoint = await judgeEndpoint(() => 'GOOD');
  const rows = learningStore(opened().store.db, GYRE_POLICY);
  const critic = { name: 'critic', kind: 'model', url: endpoint.url, model: 'm', tokens_per_day: 100 };
  const config = parseConfig({ judges: [critic], gate: { heldout: 0.05 } });
  const asking = modelsIn(config, rows);
  const policy = { sample: () => expect.fail('no policy is asked here') };
  const judges = judgesIn(config, { toolbox: new Map(), policy, rows, asking });
  const live = liveJudgeIn(config, judges, { verdicts: rows.verdicts, asking, calibrations: () => [] });
  const signal = AbortSignal.timeout(20_000);
  const shown = { id: 'a', messages: [], tools: [] };
  const judge = judges.find(({ name }) => name === 'critic') ?? expect.fail('no judge');
  await judgementOf(judge, { ...shown, kind: 'sample', text: 'a', calls: [], index: 0 }, signal);
  expect(await live?.comparer.compare({ ...shown, first: 'one', second: 'other' }, signal)).toEqual({
    fault: 'the judge "critic" has used 120 of 100 tokens of this day (UTC)',
  });
  expect(endpoint.asked).toHaveLength(1);
});
