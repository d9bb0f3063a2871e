/** The shapes of judges. */
import { z } from 'zod';

import { DRIFTS } from '../../core/judging/drift.js';
import type {
  AgreementView,
  CalibrationView,
  DriftView,
  JudgesView,
  JudgeView,
  ShareView,
  StandingView,
} from '../../core/judging/views.js';
import { JUDGE_KINDS } from '../../core/learning/judging.js';
import { bool, int, number, seconds, text } from './basics.js';

const Share = z
  .object({ share: number, n: int, low: number, high: number })
  .describe('A share of n, with its 95 % interval.') satisfies z.ZodType<ShareView>;

export const Standing = z.object({
  name: text,
  kind: z.enum(JUDGE_KINDS).nullable().describe('Null of one that has spoken and that nobody has declared.'),
  version: text.nullable(),
  may_reward: bool,
  why: text,
}) satisfies z.ZodType<StandingView>;

const Calibration = z.object({
  id: text,
  judge: text,
  judge_version: text,
  gold: text.describe('Hash of the gold items.'),
  source: z.enum(['labels', 'file']),
  n: int.describe('Items of which it told something.'),
  abstained: int,
  faults: int,
  accuracy: Share,
  false_accept: Share,
  false_reject: Share,
  kappa: number,
  alpha: number.nullable(),
  curve: z.array(z.object({ n: int, score: number, good: number })),
  miscalibration: number,
  clusters: z.array(z.object({ name: text, accuracy: Share })),
  authors: z.array(z.object({ name: text, false_accept: Share })),
  probes: z.array(
    z.object({
      ...{ name: text, tried: int, moved: int, bound: int.nullable() },
      in_tools: int.nullable().describe('Of planted orders: how many stood in a tool output. Null of other probes.'),
      in_users: int.nullable(),
    }),
  ),
  self_preference: z.object({ own: Share, others: Share }).nullable(),
  pairs: z
    .object({ version: text, n: int, right: int, wrong: int })
    .nullable()
    .describe('Of n pairs of a good and a bad item in one state: the good one, the bad one preferred in both orders.'),
  bounds: z.object({ items: int, accuracy: number, false_accept: number }),
  shortfalls: z.array(text),
  shown: z
    .enum(['alone', 'with_after', 'either'])
    .describe('How it was shown actions: alone, or with what came after; "either" where it never looks at that.'),
  created_at: seconds,
}) satisfies z.ZodType<CalibrationView>;

const Drift = z.object({
  version: int,
  measure: z.enum(DRIFTS),
  judge_version: text,
  n: int,
  value: number,
  low: number,
  high: number,
  bound: number,
  alarm: bool,
  says: text,
  created_at: seconds,
}) satisfies z.ZodType<DriftView>;

const Agreement = z.object({
  judges: z.tuple([text, text]),
  steps: int,
  agree: Share,
  kappa: number,
  alpha: number.nullable(),
}) satisfies z.ZodType<AgreementView>;

const Judge = z.object({
  ...Standing.shape,
  verdicts: z.object({ good: int, bad: int, abstained: int }),
  waiting: z.object({ subjects: int, reason: text.nullable() }),
  cost: z.object({
    prompt_tokens: int,
    completion_tokens: int,
    seconds: number,
    money: number.nullable(),
    tokens_today: int,
  }),
  calibration: Calibration.nullable(),
  drift: z.array(Drift),
}) satisfies z.ZodType<JudgeView>;

export const Judges = z.object({
  data: z.array(Judge),
  has_more: z.literal(false),
  bounds: z.object({ items: int, accuracy: number, false_accept: number, drift: number, agreement: number }),
  agreement: z.object({ steps: int, alpha: number.nullable(), pairs: z.array(Agreement) }),
}) satisfies z.ZodType<JudgesView>;
