import { describe, expect, it } from 'vitest';

import { decodeText } from '../../../src/core/text/decode.js';

const be = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();
const le = (text: string): Buffer => Buffer.from(text, 'utf16le');

describe('text is read out of bytes', () => {
  it.each<[string, Buffer, string, string]>([
    ['UTF-8', Buffer.from('Größe 東京'), 'Größe 東京', 'utf-8'],
    ['UTF-8 with a mark', Buffer.from('\uFEFFabc'), 'abc', 'utf-8'],
    ['nothing at all', Buffer.alloc(0), '', 'utf-8'],
    ['a mark alone', Buffer.from('\uFEFF'), '', 'utf-8'],
    ['UTF-16LE with a mark', le('\uFEFFGröße 東京'), 'Größe 東京', 'utf-16le'],
    ['UTF-16BE with a mark', be('\uFEFFGröße 東京'), 'Größe 東京', 'utf-16be'],
    ['UTF-16LE without one', le('Size and more\n'), 'Size and more\n', 'utf-16le'],
    ['UTF-16BE without one', be('Size and more\n'), 'Size and more\n', 'utf-16be'],
    [
      'Japanese UTF-16LE without one',
      le('東京は日本の首都です。\n大阪。'),
      '東京は日本の首都です。\n大阪。',
      'utf-16le',
    ],
    ['Latin-1', Buffer.from('Größe, déjà vu', 'latin1'), 'Größe, déjà vu', 'windows-1252'],
    ['Windows-1252', Buffer.from([0x93, 0x41, 0x94, 0x20, 0x80, 0x35]), '“A” €5', 'windows-1252'],
  ])('%s', (_, bytes, text, encoding) => {
    expect(decodeText(bytes, true)).toEqual({ text, encoding });
  });

  it.each<[string, Buffer, RegExp]>([
    ['zero bytes', Buffer.from('a\0b'), /binary/],
    ['zero bytes on both sides', Buffer.from([0, 1, 2, 0]), /binary/],
    ['the head of a PNG', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d]), /binary/],
    ['control characters', Buffer.from('a\x01\x02b'), /binary/],
    ['Shift_JIS', Buffer.from([0x93, 0x8c, 0x8b, 0x9e, 0x82, 0xcd, 0x93, 0xfa, 0x96, 0x7b]), /encoding is not known/],
    ['Windows-1251', Buffer.from([0xcc, 0xee, 0xf1, 0xea, 0xe2, 0xe0, 0x20, 0xe8]), /encoding is not known/],
    ['EUC-KR', Buffer.from([0xbc, 0xad, 0xbf, 0xef, 0xc0, 0xba]), /encoding is not known/],
    ['UTF-32', Buffer.from([0xff, 0xfe, 0, 0, 0x41, 0, 0, 0]), /encoding is not known/],
    ['half a surrogate pair', Buffer.concat([le('\uFEFFa'), Buffer.from([0, 0xd8])]), /begins as UTF-16LE/],
  ])('%s are no text', (_, bytes, fault) => {
    expect(decodeText(bytes, true)).toMatchObject({ fault: expect.stringMatching(fault) as string });
  });

  it('nobody is taken for western who did not ask for it', () => {
    expect(decodeText(Buffer.from('Größe', 'latin1'))).toMatchObject({
      fault: expect.stringContaining('UTF-8') as string,
    });
  });
});
