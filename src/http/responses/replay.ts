/** A logged response told again: the events it was made of go through the same fold, so it is the same response. */
import { GyreError } from '../../core/errors.js';
import { textOf, type WireToolCall } from '../../core/message.js';
import type { LoggedResponse, LoggedTurn } from '../../core/reading.js';
import type { ToldPiece } from '../../core/trajectory.js';
import { LEFT_OUT } from '../protocol/offer.js';
import type { ResponseFields } from './fields.js';
import { type FoldEvent, type ResponseEvent, ResponseFold } from './fold.js';
import type { ResponseEnd, ResponseObject } from './object.js';

export function replay(logged: LoggedResponse): ResponseObject {
  const { fold, end } = folding(logged);
  for (const event of eventsOf(logged)) fold.event(event);
  return fold.end(end);
}

/** Its events, each made when it is asked for; texts come in one piece each. */
export function* replayed(logged: LoggedResponse): Generator<ResponseEvent> {
  const told: ResponseEvent[] = [];
  // What an event tells of goes on to change. Its texts do not: they are not copied.
  const { fold, end } = folding(logged, (event) => told.push(copied(event) as ResponseEvent));
  for (const event of eventsOf(logged)) {
    fold.event(event);
    yield* told.splice(0);
  }
  fold.end(end);
  yield* told.splice(0);
}

/** Characters of all that is told of it, about. */
export function lengthOf({ turns }: LoggedResponse): number {
  let length = 0;
  for (const { text, reasoning = '', calls } of turns) {
    length += text.length + reasoning.length;
    for (const call of calls) length += call.arguments.length + (call.observation?.length ?? 0);
  }
  return length;
}

function copied(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copied);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, copied(each)]));
}

interface Folding {
  readonly fold: ResponseFold;
  readonly end: ResponseEnd;
}

function folding(logged: LoggedResponse, tell?: (event: ResponseEvent) => void): Folding {
  const { id, createdAt, ms, ending, sampling } = logged;
  const fields = fieldsOf(logged);
  const head = {
    id,
    created: Math.floor(createdAt / 1000),
    model: fields.model ?? logged.model,
    sampling,
    leftOut: leftOutOf(logged),
  };
  return {
    fold: new ResponseFold(head, fields, tell),
    end: {
      ending,
      fault: ending.outcome === 'failed' ? lostFault() : undefined,
      at: Math.floor((createdAt + ms) / 1000),
    },
  };
}

/** What the request said, as far as it was logged. */
export function fieldsOf({ asked, said }: Pick<LoggedResponse, 'asked' | 'said'>): ResponseFields {
  const {
    instructions,
    [LEFT_OUT]: _,
    ...fields
  } = (asked ?? {}) as ResponseFields & { readonly instructions?: unknown; readonly [LEFT_OUT]?: unknown };
  return instructed(asked) ? { ...fields, instructions: textOf(said[0]?.content ?? '') } : fields;
}

/** Tools of the request that were not here, and were left out. */
function leftOutOf({ asked }: LoggedResponse): readonly string[] {
  const names = asked?.[LEFT_OUT];
  return Array.isArray(names) ? names.map(String) : [];
}

/** Whether the conversation begins with the request's own instructions. */
export function instructed(asked: LoggedResponse['asked']): boolean {
  return asked?.['instructions'] === true;
}

function* eventsOf({ turns, answer }: LoggedResponse): Generator<FoldEvent> {
  yield { type: 'start' };
  for (const [at, turn] of turns.entries()) {
    const last = at === turns.length - 1;
    // Calls of the client end an answer: they are in its last turn. Their arguments are told as the policy wrote them.
    const made = last ? (answer?.tool_calls ?? []) : [];
    const position = (id: string): number => made.findIndex((call) => call.id === id);
    for (const piece of toldOf(turn, last, made)) {
      if (piece.type !== 'call') yield piece;
      else if (position(piece.id) >= 0) yield* calling(turn, position(piece.id), made);
    }
    yield* served(turn);
    yield { type: 'step' };
  }
}

function* calling({ calls }: LoggedTurn, position: number, made: readonly WireToolCall[]): Generator<FoldEvent> {
  const call = made[position];
  if (call === undefined) return;
  const emitted = calls.find((each) => each.owner === 'client' && each.id === call.id);
  yield { type: 'call', index: 0, position, id: call.id, name: call.function.name };
  yield { type: 'arguments', index: 0, position, text: emitted?.arguments ?? call.function.arguments };
}

function* served({ calls }: LoggedTurn): Generator<FoldEvent> {
  const ran = calls.filter(({ owner, observation }) => owner === 'server' && observation !== undefined);
  for (const call of ran) yield { type: 'tool_started', call };
  for (const call of ran) {
    const { observation = '', error } = call;
    yield {
      type: 'tool_finished',
      call,
      observation: { content: observation, ms: 0, ...(error === undefined ? {} : { error: error as 'failed' }) },
    };
  }
}

type Piece =
  | Extract<FoldEvent, { readonly type: 'reasoning' | 'text' | 'beside' }>
  | Extract<ToldPiece, { readonly type: 'call' }>;

/** An action as it was told, in its order where that was logged. */
function toldOf(turn: LoggedTurn, last: boolean, made: readonly WireToolCall[]): readonly Piece[] {
  const { reasoning = '', text, calls, told } = turn;
  // Without a call and not the last, it was a draft that was asked for again in the client's form.
  const draft = calls.length === 0 && !last;
  const plain: readonly ToldPiece[] = [
    { type: 'reasoning', length: reasoning.length },
    { type: 'text', length: draft ? 0 : text.length },
    ...made.map(({ id }): ToldPiece => ({ type: 'call', id })),
  ];
  let [thought, said] = [0, 0];
  return (told ?? plain).flatMap((piece): Piece[] => {
    switch (piece.type) {
      case 'reasoning':
        if (piece.length === 0) return [];
        return [{ type: 'reasoning', index: 0, text: reasoning.slice(thought, (thought += piece.length)) }];
      case 'text': {
        const { length, from = said, refusal, logprobs } = piece;
        if (length === 0 && logprobs === undefined) return [];
        said = from + length;
        return [{ type: 'text', index: 0, text: text.slice(from, said), refusal, logprobs }];
      }
      case 'beside':
        return [{ type: 'beside', index: 0, fields: piece.fields }];
      case 'call':
        return [piece];
      default:
        return piece satisfies never;
    }
  });
}

/** That a response failed is logged; what was said of it is not. */
function lostFault(): GyreError {
  return new GyreError({
    side: 'engine',
    status: 502,
    code: 'server_error',
    message: 'The answer was broken off by a fault. What it was is not kept.',
  });
}
