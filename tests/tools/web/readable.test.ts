/** HTML as a person would read it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { unescaped } from '../../../tools/web/entities.js';
import { readable } from '../../../tools/web/readable.js';

const text = async (html: string): Promise<string> => (await readable(html)).text;

describe('a page as text', () => {
  it('has paragraphs apart, lists and tables in lines, and one space where the page has many', async () => {
    expect(
      await text(
        '<h1>Ships</h1>\n<p>Two   of\n them:</p><ul><li>Anna</li><li>Berta ' +
          '<i>(sold)</i></li></ul><table><tr><th>Name</th><th>Tons</th></tr><tr><td>Anna</td><td>40</td></tr></table>' +
          'One<br>Two',
      ),
    ).toBe('Ships\n\nTwo of them:\n\n- Anna\n- Berta (sold)\n\nName\tTons\nAnna\t40\n\nOne\nTwo');
  });

  it('keeps the lines of preformatted text', async () => {
    expect(await text('<p>Code:</p><pre>if (a &lt; b) {\n  run();\n}</pre>')).toBe(
      'Code:\n\nif (a < b) {\n  run();\n}',
    );
  });

  it("has no scripts, styles, comments, menus or forms' buttons", async () => {
    expect(
      await text(
        '<script>if (1<2) document.write("<p>no</p>")</script><style>p{}</style><!-- no <p>no</p> ' +
          '--><nav>no<ul><li>no</li></ul></nav><p>yes</p><noscript>no</noscript><svg><text>no</text></svg>' +
          '<button>no</button><footer>no</footer><template><p>no</p></template>',
      ),
    ).toBe('yes');
  });

  it('has nothing that is hidden from a reader', async () => {
    expect(
      await text(
        '<p>shown</p><p hidden>no</p><div style="color: red; display: none"><p>no</p></div><span ' +
          'aria-hidden="true">no</span><div style="visibility:hidden">no</div><p>too</p>',
      ),
    ).toBe('shown\n\ntoo');
  });

  it('is its main part where there is one of any size', async () => {
    const long = 'The main part says something. '.repeat(10).trim();
    expect(await text(`<div>Welcome</div><main><p>${long}</p></main><div>More from us</div>`)).toBe(long);
    expect(await text('<div>Welcome</div><main></main><div>Loaded elsewhere</div>')).toBe(
      'Welcome\n\nLoaded elsewhere',
    );
  });

  it('has the title, once and in one line', async () => {
    expect(await readable('<title>\n A &lt;b&gt;\n title </title><svg><title>no</title></svg><p>x</p>')).toEqual({
      title: 'A <b> title',
      text: 'x',
    });
    expect((await readable('<p>x</p>')).title).toBe('');
  });

  it.each([
    ['a < b and c > d', 'a < b and c > d'],
    ['<p title="a > b">x</p>', 'x'],
    ["<p title = 'a > b'>x", 'x'],
    ['x<', 'x<'],
    ['x</', 'x</'],
    ['<', '<'],
    ['<!doctype html>x', 'x'],
    ['<?xml version="1.0"?>x', 'x'],
    ['x<!-- never closed', 'x'],
    ['<!-->x', 'x'],
    ['<script>never closed', ''],
    ['x<p', 'x'],
    ['<P>UPPER</P>', 'UPPER'],
    ['</p>x</div></div>', 'x'],
    ['<br/>x<br/>y', 'x\ny'],
    ['<nav>never closed<p>text', 'never closed\n\ntext'],
    ['<nav/>x', 'x'],
    ['</script>x', 'x'],
    ['<a href=x>link</a>', 'link'],
    ['', ''],
  ])('%j is %j', async (html, expected) => {
    expect(await text(html)).toBe(expected);
  });

  it('comes of any text at all, without an end tag of a script in it, and in time that grows with it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.constantFrom(
            '<',
            '>',
            '</',
            'p',
            'nav',
            'script',
            '"',
            '=',
            ' ',
            '<!--',
            '-->',
            'hidden',
            '&amp;',
            'style',
            '/',
            'pre',
            '\n',
            'main',
          ),
          { maxLength: 60 },
        ),
        async (parts) => {
          expect(typeof (await text(parts.join('')))).toBe('string');
        },
      ),
      { numRuns: 1_000 },
    );
    for (const piece of [
      '<',
      '<p ',
      '<p style=',
      '<a "',
      '<!--',
      '<script>',
      '<nav>',
      '&',
      '&amp',
      ' ',
      '<pre>\t',
      '<p hidden>',
      '</nav',
      '<title>',
      '="',
    ])
      expect(typeof (await text(piece.repeat(200_000)))).toBe('string');
  }, 60_000);
});

it('of a very long page the beginning is kept, and others get their turn while it is read', async () => {
  let turns = 0;
  const beside = setInterval(() => (turns += 1), 0);
  const { text: kept } = await readable('<p>some words</p>'.repeat(100_000));
  clearInterval(beside);
  expect(turns).toBeGreaterThan(2);
  expect(kept.length).toBeLessThan(530_000);
  expect(kept.slice(-60)).toContain('[the rest of this page is left out]');
});

describe('character references', () => {
  it.each([
    ['&lt;p&gt; &amp;amp; &quot;', '<p> &amp; "'],
    ['caf&eacute; &Uuml;ber &szlig; &yuml;', 'café Über ß ÿ'],
    ['&#65;&#x42;&#X43;', 'ABC'],
    ['&hellip;&mdash;&rsquo;&euro;', '…—’€'],
    ['&nosuchname; &; & &#; &#xzz;', '&nosuchname; &; & &#; &#xzz;'],
    ['&#0;&#xd800;&#x110000;', '\ufffd\ufffd\ufffd'],
    ['&copy 2026', '© 2026'],
  ])('%s', (html, expected) => {
    expect(unescaped(html)).toBe(expected);
  });
});
