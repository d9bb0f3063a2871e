/** How a client is told an action, for a protocol that tells answers again: what is more than its words in order. */
import type { PolicyEvent, TokenLogprob } from '../core/policy.js';
import type { ToldPiece } from '../core/trajectory.js';

/** A piece that still grows. */
type Growing =
  | { type: 'reasoning'; length: number }
  | { type: 'text'; length: number; from?: number; refusal?: true; logprobs?: TokenLogprob[] }
  | Extract<ToldPiece, { readonly type: 'call' | 'beside' }>;

/** Answers that are told again have one choice. */
export class Telling {
  #pieces: Growing[] = [];

  /** Another action begins. */
  begin(): void {
    this.#pieces = [];
  }

  /** `from`: where a text is in the action's, where it is not what follows. */
  tell(event: PolicyEvent, from?: number): void {
    const last = this.#pieces.at(-1);
    switch (event.type) {
      case 'reasoning':
        if (last?.type === 'reasoning') last.length += event.text.length;
        else this.#pieces.push({ type: 'reasoning', length: event.text.length });
        return;
      case 'text': {
        const { text, logprobs = [], refusal } = event;
        if (text === '' && logprobs.length === 0) return;
        let piece = last;
        if (piece?.type !== 'text' || piece.refusal !== refusal || from !== undefined) {
          piece = { type: 'text', length: 0, ...(refusal && { refusal }), ...(from !== undefined && { from }) };
          this.#pieces.push(piece);
        }
        piece.length += text.length;
        for (const entry of logprobs) (piece.logprobs ??= []).push(entry);
        return;
      }
      case 'call':
        this.#pieces.push({ type: 'call', id: event.id });
        return;
      case 'beside':
        this.#pieces.push({ type: 'beside', fields: event.fields });
        return;
      case 'start':
      case 'arguments':
        return;
      default:
        event satisfies never;
    }
  }

  /** Undefined where the words of the action say it all. */
  told(): readonly ToldPiece[] | undefined {
    const plain = this.#pieces.every(
      (piece, at) =>
        piece.type !== 'beside' &&
        (piece.type !== 'text' ||
          (piece.refusal === undefined && piece.logprobs === undefined && piece.from === undefined)) &&
        ORDER[piece.type] >= ORDER[this.#pieces[at - 1]?.type ?? 'reasoning'],
    );
    return plain ? undefined : this.#pieces;
  }
}

const ORDER = { reasoning: 0, text: 1, call: 2, beside: 3 } as const satisfies Record<ToldPiece['type'], number>;
