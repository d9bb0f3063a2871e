/** What a server is asked, as bytes: at once where that is little, in turns of the event loop where it is much. */
import { writtenInTurns } from '../../core/running/written.js';
import { writeJson } from '../../core/text/json.js';
import { isLarge } from '../../core/text/json_pieces.js';

/** A body before it is JSON. */
export interface Body {
  readonly value: object;
  /** What is asked instead where the JSON text of the value has something that may not be in it. */
  readonly instead?: { readonly where: (json: string) => boolean; readonly value: () => object } | undefined;
}

/** No token of a model is as long: one that stands at the edge of a piece is found with so much of the piece before. */
const EDGE_CHARS = 4096;

/** The JSON text; a promise where it is large. */
export function written(body: Body): string | Promise<Buffer> {
  return isLarge(body.value) ? largeBody(body) : textOf(body);
}

export function textOf({ value, instead }: Body): string {
  const text = writeJson(value);
  return instead?.where(text) === true ? writeJson(instead.value()) : text;
}

async function largeBody({ value, instead }: Body): Promise<Buffer> {
  let found = false;
  let edge = '';
  const look = (piece: string): void => {
    if (found || instead === undefined) return;
    found = instead.where(edge + piece);
    edge = piece.slice(-EDGE_CHARS);
  };
  const bytes = await writtenInTurns(value, look);
  return Buffer.concat(found && instead !== undefined ? await writtenInTurns(instead.value()) : bytes);
}
