// @ts-check
/** Lint: the house style as far as a machine can see it. Every rule that is off says why. */
import tseslint from 'typescript-eslint';

/** Files that may print, read the environment and end the process. */
const EDGES = [
  'src/main.ts',
  'src/run/**',
  'src/cli/**',
  'scripts/**',
  '*.config.ts',
  '*.config.js',
  'tools/calculator/child.js',
];

export default tseslint.config(
  {
    ignores: [
      'dist/',
      'build/',
      'node_modules/',
      '.venv/',
      '.venv-clients/',
      '.gyre/',
      '.peers/',
      'demo-report/',
      'trainer/',
      'migrations/',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ['*.config.ts'] }, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false },
      ],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false } }],
      // Numbers in messages need no String() around them.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // `() => void x()` and `return reject(...)` are plain enough.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      // An async function is the shortest way to a promise that also catches what is thrown before the first await.
      '@typescript-eslint/require-await': 'off',
      // TypeScript narrows across awaits and believes JSON.stringify never gives undefined; neither holds at run time.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // Taking a field out of an object and leaving the rest is how one is left out.
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }],
      // Our objects are closures and have no `this`; their methods may be handed on.
      '@typescript-eslint/unbound-method': 'off',
      // `Hash | ''` says something to the reader that the type does not keep.
      '@typescript-eslint/no-redundant-type-constituents': 'off',
      eqeqeq: 'error',
    },
  },
  {
    files: ['tests/**/*.ts', 'scripts/**/*.ts'],
    // Clients still send what the protocol calls deprecated (`max_tokens`), and these act as clients.
    rules: { '@typescript-eslint/no-deprecated': 'off' },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    // Types of plain JavaScript are checked by tsc through JSDoc.
    extends: [tseslint.configs.recommended, tseslint.configs.disableTypeChecked],
    rules: { eqeqeq: 'error' },
  },
  {
    files: ['src/**', 'tools/**'],
    ignores: EDGES,
    rules: {
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        {
          selector: 'CallExpression[callee.property.name="push"] > SpreadElement',
          message: 'A long list is more arguments than a call may have (RangeError); push in a loop.',
        },
      ],
      'no-restricted-properties': [
        'error',
        {
          object: 'process',
          property: 'env',
          message: 'Only src/main.ts, src/run and src/cli read the environment; take the value as an argument.',
        },
        {
          object: 'process',
          property: 'exit',
          message: 'Only src/main.ts, src/run and src/cli end the process; throw instead.',
        },
      ],
    },
  },
  {
    files: ['tests/**'],
    rules: {
      'no-restricted-properties': [
        'error',
        ...['mock', 'doMock', 'stubGlobal', 'spyOn'].map((property) => ({
          object: 'vi',
          property,
          message: 'Effects come in as arguments: pass a fake, or talk to a real server on port 0.',
        })),
      ],
      // Answers under test are read field by field.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
    },
  },
);
