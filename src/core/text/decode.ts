/**
 * Text out of the bytes of a file, whoever wrote it: UTF-8, UTF-16 with and without a mark, and where the caller takes
 * it Windows-1252, which includes Latin-1. Where the encoding cannot be told nothing is guessed.
 */

export type DecodedText =
  { readonly text: string; readonly encoding: Encoding } | { readonly text?: undefined; readonly fault: string };

type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'windows-1252';

const MARKS: readonly (readonly [Exclude<Encoding, 'windows-1252'>, readonly number[]])[] = [
  ['utf-8', [0xef, 0xbb, 0xbf]],
  ['utf-16le', [0xff, 0xfe]],
  ['utf-16be', [0xfe, 0xff]],
];

/** What no text has: control characters but tab, line ends, form feed, escape and the mark of DOS for an end. */
const CONTROL = /[\0-\x08\x0e-\x19\x1c-\x1f]/;
const NOT_TEXT = 'it is binary: it holds bytes that no text has';
const UNKNOWN = 'its encoding is not known: save it as UTF-8';

/** Where Windows-1252 differs from Latin-1: its bytes from 0x80 to 0x9f. Node 20 decodes the one as the other. */
const HIGH = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ';

/** The text without its mark. `legacy` takes what is no Unicode for Windows-1252 where it reads as a western text. */
export function decodeText(bytes: Uint8Array, legacy = false): DecodedText {
  if (startsWith(bytes, [0xff, 0xfe, 0, 0]) || startsWith(bytes, [0, 0, 0xfe, 0xff])) return { fault: UNKNOWN };
  const marked = MARKS.find(([, mark]) => startsWith(bytes, mark));
  if (marked !== undefined) {
    const [encoding] = marked;
    const text = strictly(bytes, encoding);
    if (text === undefined) return { fault: `it begins as ${encoding.toUpperCase()}, and holds bytes that are none` };
    return CONTROL.test(text) ? { fault: NOT_TEXT } : { text, encoding };
  }
  const plain = strictly(bytes, 'utf-8');
  if (plain !== undefined && !CONTROL.test(plain)) return { text: plain, encoding: 'utf-8' };
  if (bytes.includes(0)) {
    const wide = unmarked(bytes);
    return wide ?? { fault: NOT_TEXT };
  }
  if (plain !== undefined) return { fault: NOT_TEXT };
  const western = Buffer.from(bytes)
    .toString('latin1')
    .replace(/[\x80-\x9f]/g, (mark) => HIGH[mark.charCodeAt(0) - 0x80] ?? mark);
  if (CONTROL.test(western)) return { fault: NOT_TEXT };
  return legacy && readsAsWestern(bytes) ? { text: western, encoding: 'windows-1252' } : { fault: UNKNOWN };
}

function startsWith(bytes: Uint8Array, mark: readonly number[]): boolean {
  return mark.every((byte, at) => bytes[at] === byte);
}

function strictly(bytes: Uint8Array, encoding: Exclude<Encoding, 'windows-1252'>): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return undefined; // not that encoding
  }
}

/** UTF-16 without a mark: its zero bytes, of spaces, line ends and Latin letters, all lie on the same side. */
function unmarked(bytes: Uint8Array): DecodedText | undefined {
  if (bytes.length % 2 !== 0) return undefined;
  const zeros = [0, 0];
  bytes.forEach((byte, at) => {
    if (byte === 0) zeros[at % 2] = (zeros[at % 2] ?? 0) + 1;
  });
  const [first = 0, second = 0] = zeros;
  if (first > 0 && second > 0) return undefined;
  const encoding = first > 0 ? 'utf-16be' : 'utf-16le';
  const text = strictly(bytes, encoding);
  // Two bytes of anything are some character: a text has no unassigned ones and none of private use.
  return text === undefined || CONTROL.test(text) || /[\p{Cn}\p{Co}]/u.test(text) ? undefined : { text, encoding };
}

/** Bytes that Windows-1252 does not use: most other code pages do. */
const UNUSED: readonly number[] = [0x81, 0x8d, 0x8f, 0x90, 0x9d];

/**
 * In western words a letter beyond ASCII stands alone or beside one more. Longer runs are of another script in another
 * code page, which would be read as nonsense.
 */
function readsAsWestern(bytes: Uint8Array): boolean {
  let [high, inRuns, run] = [0, 0, 0];
  const endRun = (): void => {
    if (run > 2) inRuns += run;
    run = 0;
  };
  for (const byte of bytes) {
    if (UNUSED.includes(byte)) return false;
    if (byte < 0x80) endRun();
    else {
      high += 1;
      run += 1;
    }
  }
  endRun();
  return inRuns <= high / 10;
}
