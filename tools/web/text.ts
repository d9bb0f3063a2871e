/** Text out of the bytes of a page, whatever it says its encoding is. */
import { TextDecoder } from 'node:util';

/** Where browsers look for a page's own word about its encoding. */
const PRESCAN = 1_024;

export function decoded(bytes: Buffer, charset: string | undefined, html: boolean): string {
  const label = byMark(bytes) ?? charset ?? (html ? inMeta(bytes) : undefined) ?? 'utf-8';
  return decoderOf(label).decode(bytes);
}

function decoderOf(label: string): TextDecoder {
  try {
    return new TextDecoder(label);
  } catch {
    // An encoding nobody knows is as good as none.
    return new TextDecoder('utf-8');
  }
}

function byMark(bytes: Buffer): string | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 'utf-8' : undefined;
}

function inMeta(bytes: Buffer): string | undefined {
  const label = /<meta[^>]*?charset\s*=\s*["']?([\w:.-]+)/i.exec(bytes.toString('latin1', 0, PRESCAN))?.[1];
  // A page that can be read far enough to say so is not in UTF-16.
  return label !== undefined && /^utf-?16/i.test(label) ? 'utf-8' : label;
}
