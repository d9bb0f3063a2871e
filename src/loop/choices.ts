/**
 * Several choices with a form and tools: each goes by the rule of one. A choice that calls or keeps to the form is as
 * it is, and any other is asked for once more with the form, all of them at once.
 */
import { asGyreError } from '../core/errors.js';
import type { Action, Policy, PolicyEvent, PolicyRequest } from '../core/policy.js';
import type { Clock } from './clock.js';
import type { Finish, LoopEvent, LoopRequest } from './events.js';
import { StepRecord } from './record.js';
import { appended } from './settle.js';
import type { Tally } from './tally.js';
import type { Visible } from './visible.js';

/** A choice that is to be asked for in the form. */
export interface Draft {
  readonly index: number;
  readonly asked: PolicyRequest;
}

interface Asked extends Draft {
  readonly step: StepRecord;
  readonly events: readonly PolicyEvent[];
  readonly action?: Action | undefined;
  readonly thrown?: unknown;
}

/** The choices by their place, or the end where one of them failed or somebody left. */
export async function* askedAgain(
  drafts: readonly Draft[],
  request: LoopRequest,
  policy: Policy,
  clock: Clock,
  visible: Visible,
  tally: Tally,
): AsyncGenerator<LoopEvent, ReadonlyMap<number, Action> | Finish> {
  const all = await Promise.all(drafts.map((draft) => ask(draft, request, policy, clock)));
  const chosen = new Map<number, Action>();
  visible.begin(false);
  for (const { index, step, events, action } of all) {
    for (const event of events) {
      const shown = event.type === 'start' ? undefined : visible.pass({ ...event, index });
      if (shown !== undefined) yield shown;
    }
    const partial = action ?? step.partial();
    tally.sampled(partial);
    const taken =
      action === undefined
        ? step.broken(partial, clock.endedBy === undefined ? 'failed' : 'cancelled')
        : step.whole(action, [], appended(action, []));
    yield { type: 'step', step: taken, visible: visible.message(index) };
    if (action !== undefined) chosen.set(index, action);
  }
  if (clock.endedBy !== undefined) return tally.stopped(clock.endedBy);
  const failed = all.find(({ action }) => action === undefined);
  return failed === undefined ? chosen : tally.failed(asGyreError(failed.thrown));
}

async function ask(draft: Draft, request: LoopRequest, policy: Policy, clock: Clock): Promise<Asked> {
  const step = new StepRecord(request, draft.asked, false);
  const events: PolicyEvent[] = [];
  try {
    const sampling = policy.sample(draft.asked, clock.signal);
    for (;;) {
      const next = await sampling.next();
      if (next.done === true) return { ...draft, step, events, action: next.value[0] };
      step.saw(next.value);
      events.push(next.value);
    }
  } catch (thrown) {
    return { ...draft, step, events, thrown };
  }
}
