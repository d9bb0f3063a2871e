/** What is read from a model's folder, as many hands make such folders. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { parseConfig } from '../../src/core/config.js';
import { TEMPLATE } from '../../src/run/machine.js';
import { neutraliserFor, samplingFor } from '../../src/run/model.js';

/** A folder with these files: text as it stands, the rest as JSON. */
function folderOf(files: Readonly<Record<string, unknown>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-model-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  return folder;
}

const TEXT = '<|im_end|><repo_name><think><tool_call><table>[INST]</s>    <|eot_id|>';

describe('the control tokens of a model', () => {
  it('are the special tokens of its tokenizer, and the markup it has tokens for', () => {
    const folder = folderOf({
      'tokenizer.json': {
        added_tokens: [
          { id: 0, content: '<|im_end|>', special: true },
          { id: 1, content: '<repo_name>', special: true },
          { id: 2, content: '<think>', special: false },
          { id: 3, content: '<table>', special: false },
          { id: 4, content: '    ', special: false },
        ],
      },
    });
    expect(neutraliserFor(folder).brought(TEXT)).toBe(
      '< |im_end|>< repo_name>< think><tool_call><table>[INST]</s>    <|eot_id|>',
    );
    expect(neutraliserFor(folder).said(TEXT)).toContain('<think>');
  });

  it('are read from every file that may name them, and from its template', () => {
    const folder = folderOf({
      'tokenizer_config.json': {
        added_tokens_decoder: {
          '5': { content: '<|im_end|>', special: true },
          '6': { content: '<x>', special: false },
        },
        eos_token: { content: '</s>' },
        bos_token: null,
        additional_special_tokens: ['<repo_name>'],
        chat_template: [{ name: 'default', template: '[INST]{{ m }}[/INST]' }],
      },
      'special_tokens_map.json': { pad_token: '<|eot_id|>' },
      'chat_template.jinja': '<tool_call>',
    });
    expect(neutraliserFor(folder).brought(`${TEXT}<x>`)).toBe(
      '< |im_end|>< repo_name><think>< tool_call><table>[ INST]< /s>    < |eot_id|><x>',
    );
  });

  it('are those of the template the engine is given', () => {
    const folder = folderOf({ 'tokenizer.json': { added_tokens: [{ content: '<|im_end|>', special: true }] } });
    expect(neutraliserFor(folder, TEMPLATE).brought('<tool_call></tool_call><|im_start|>')).toBe(
      '< tool_call>< /tool_call>< |im_start|>',
    );
  });

  it('of a tokenizer of Mistral are its special tokens', () => {
    const folder = folderOf({
      'tekken.json': { special_tokens: [{ rank: 3, token_str: '[INST]', is_control: true }] },
    });
    expect(neutraliserFor(folder).brought('[INST]<|im_end|>')).toBe('[ INST]<|im_end|>');
  });

  it.each([
    ['is not there', {}],
    ['is no JSON', { 'tokenizer.json': '{"added' }],
    ['has another form', { 'tokenizer.json': { added_tokens: 'none' }, 'tokenizer_config.json': [] }],
  ])('are those of the common families where the tokenizer %s', (_what, files) => {
    expect(neutraliserFor(folderOf(files)).brought('[INST]<|any|>')).toBe('[ INST]< |any|>');
  });
});

describe('how the policy is drawn by default', () => {
  const QWEN = { do_sample: true, temperature: 0.6, top_p: 0.95, top_k: 20, min_p: null, eos_token_id: [1, 2] };

  it.each([
    ['as the model says', QWEN, {}, { temperature: 0.6, top_p: 0.95, top_k: 20 }],
    [
      'by the configuration where it says something',
      QWEN,
      { sampling: { temperature: 1, max_tokens: 300 } },
      { temperature: 1, top_p: 0.95, top_k: 20, max_tokens: 300 },
    ],
    ['with the bound the model names', { max_new_tokens: 99, temperature: 0 }, {}, { temperature: 0, max_tokens: 99 }],
    ['by nothing where nothing is said', { eos_token_id: 2 }, {}, {}],
    ['without what makes no sense', { temperature: 'hot', top_p: 7, top_k: 1.5, max_new_tokens: -1 }, {}, {}],
    [
      'by its temperature alone where answers are trained on',
      QWEN,
      { learning: { mode: 'logged' } },
      { temperature: 0.6 },
    ],
    [
      'by what is configured, whatever it costs',
      QWEN,
      { learning: { mode: 'sft' }, sampling: { top_p: 0.9 } },
      { temperature: 0.6, top_p: 0.9 },
    ],
  ])('%s', (_how, generation, config, sampling) => {
    expect(samplingFor(parseConfig(config), folderOf({ 'generation_config.json': generation }))).toEqual(sampling);
  });

  it('is by the configuration alone where there is no folder, or nothing in it', () => {
    const config = parseConfig({ sampling: { top_p: 0.5 } });
    expect([samplingFor(config, undefined), samplingFor(config, folderOf({}))]).toEqual([
      { top_p: 0.5 },
      { top_p: 0.5 },
    ]);
  });
});
