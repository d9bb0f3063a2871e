// @ts-check
/** Licences by their SPDX names: what packages write, in one spelling, and what an expression of them allows. */

/** @type {[RegExp, string][]} What is written instead of a name of SPDX. The first that fits counts. */
const SPELLINGS = [
  [/^(the )?mit( license| licence)?( \(mit\))?( \(expat\))?$/i, 'MIT'],
  [/^mit-0$|^mit no attribution license \(mit-0\)$/i, 'MIT-0'],
  [
    /^apache[- ]?(software )?(licen[cs]e)?,?[- ]?(version |v)?2(\.0)?( license)?$|^apache software license$|^apache$/i,
    'Apache-2.0',
  ],
  [
    /^(new |modified |3-clause |revised )bsd( license)?$|^bsd[- ]3([- ]clause)?( license)?$|^bsd-3-clause$/i,
    'BSD-3-Clause',
  ],
  [/^(simplified |2-clause )bsd( license)?$|^bsd[- ]2([- ]clause)?( license)?$/i, 'BSD-2-Clause'],
  [/^isc( license)?( \(iscl\))?$/i, 'ISC'],
  [/^(psf|psf-2\.0|python software foundation license|psfl)$/i, 'PSF-2.0'],
  [/^(mpl[- ]?(v)?2(\.0)?|mozilla public license 2\.0( \(mpl 2\.0\))?)$/i, 'MPL-2.0'],
  [/^the unlicense \(unlicense\)$|^unlicense$/i, 'Unlicense'],
];

/** A whole licence in place of its name is told by how it begins. @type {[RegExp, string][]} */
const TEXTS = [
  [/^\s*(the )?mit licen[cs]e\b|permission is hereby granted, free of charge, to any person obtaining a copy/i, 'MIT'],
  [/^\s*apache license\s+version 2\.0/i, 'Apache-2.0'],
  [/redistribution and use in source and binary forms[\s\S]*neither the name of/i, 'BSD-3-Clause'],
  [/redistribution and use in source and binary forms/i, 'BSD-2-Clause'],
];

const NAME = /^[A-Za-z0-9][A-Za-z0-9.+-]*$/;
const COPYLEFT = /^(A?GPL|LGPL|MPL|EPL|CDDL|EUPL|OSL|CC-BY-SA|SSPL|BUSL|CPAL|RPL|QPL)/;

/**
 * The SPDX expression of what a package says; undefined where that is not known.
 * @param {string} said @returns {string | undefined}
 */
export function nameOf(said) {
  const text = said.trim().replace(/^\((.*)\)$/s, '$1');
  if (text === '' || /^(unknown|other|proprietary license|dual license|see license)/i.test(text)) return undefined;
  const spelt = SPELLINGS.find(([pattern]) => pattern.test(text))?.[1];
  if (spelt !== undefined) return spelt;
  if (text.includes('\n') || text.length > 120) return TEXTS.find(([pattern]) => pattern.test(text))?.[1];
  const parts = text.split(/\s+(AND|OR|WITH)\s+|([()])/i).filter((part) => part !== undefined && part.trim() !== '');
  // A lone word that is none of SPDX's, as "BSD", says too little.
  if (parts.length === 1)
    return NAME.test(text) && /\d|^(ISC|MIT|Zlib|Unlicense|WTFPL|HPND|PostgreSQL|Python|NCSA)$/.test(text)
      ? text
      : undefined;
  return parts.every((part) => NAME.test(part) || /^[()]$/.test(part))
    ? text.replace(/\b(and|or|with)\b/gi, (word) => word.toUpperCase())
    : undefined;
}

/** @param {string} licence */
export function isCopyleft(licence) {
  return words(licence).some((word) => COPYLEFT.test(word));
}

/** @param {string} licence */
function words(licence) {
  return licence.match(/[A-Za-z0-9.+-]+/g) ?? [];
}

/**
 * Whether an expression allows use under these licences: one side of each OR, both of each AND; a WITH only adds
 * freedoms.
 * @param {string} licence @param {readonly string[]} list
 */
export function allowed(licence, list) {
  const tokens = licence.match(/[()]|[^\s()]+/g) ?? [];
  let at = 0;
  /** @returns {boolean} */
  const either = () => {
    let is = both();
    while (tokens[at] === 'OR') {
      at += 1;
      is = both() || is;
    }
    return is;
  };
  const both = () => {
    let is = one();
    while (tokens[at] === 'AND') {
      at += 1;
      is = one() && is;
    }
    return is;
  };
  const one = () => {
    const token = tokens[at];
    at += 1;
    if (token === '(') {
      const is = either();
      at += 1;
      return is;
    }
    if (tokens[at] === 'WITH') at += 2;
    return token !== undefined && list.includes(token);
  };
  return either() && at >= tokens.length;
}
